import { execFileSync } from "node:child_process";
import { accepting, freePort, installed, type Lab, type LabProcess, type Place } from "./lab.ts";
import { BACKLOG, CONNECTIONS_MAX, type ProxyKind } from "./proxy.ts";

/** The `stream` module with `ssl_preread` and a map from names to backends, as installed. */
export const nginx = nginxKind("nginx", "");

/** The same with buffers as large as a read of Helloway's, which is eight times what nginx comes with. */
export const nginxLargeBuffers = nginxKind("nginx, proxy_buffer_size 128k", "proxy_buffer_size 128k;");

/** As much as Helloway's line says, as far as nginx knows it. */
const logFormat = `log_format line escape=json
  '{"ts":"$time_iso8601","conn":"$connection","src":"$remote_addr","sport":$remote_port,"sni":"$ssl_preread_server_name",'
  '"alpn":"$ssl_preread_alpn_protocols","tls":"$ssl_preread_protocol","backend":"$upstream_addr","connect":"$upstream_connect_time",'
  '"duration":$session_time,"rx":$bytes_received,"tx":$bytes_sent,"reason":$status}';`;

/** @param settings of the server, beside what the job asks for. */
function nginxKind(name: string, settings: string): ProxyKind {
  return {
    name,
    version: () => installed("nginx", "-v"),
    async start(lab, job) {
      const port = await freePort();
      const names = [...job.backends].map(([host, backend]) => `${host} 127.0.0.1:${backend};`);
      const config = `
        stream {
          ${job.accessLog ? `${logFormat} access_log ${lab.directory}/nginx-access-${port}.log line;` : ""}
          map $ssl_preread_server_name $backend { ${names.join(" ")} }
          server {
            listen 127.0.0.1:${port} backlog=${BACKLOG};
            ssl_preread on;
            preread_timeout ${job.helloSeconds}s;
            proxy_timeout 10m;
            proxy_connect_timeout 3s;
            ${settings}
            proxy_pass $backend;
          }
        }`;
      const { pid } = await startNginx(lab, `nginx-proxy-${port}`, lab.workers, job.place, config, port);
      return { name, port: () => port, pid };
    },
  };
}

/** 61 bytes that wrk takes for an answer. */
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/**
 * A backend that costs next to nothing: reads the hello, answers in one write and closes. It must read first, since who
 * closes with something unread resets.
 *
 * @returns its port.
 */
export async function startReturnBackend(lab: Lab): Promise<number> {
  const port = await freePort();
  const text = ANSWER.replaceAll("\r", String.raw`\r`).replaceAll("\n", String.raw`\n`);
  const server = `server { listen 127.0.0.1:${port} backlog=${BACKLOG}; ssl_preread on; return "${text}"; }`;
  await startNginx(lab, "nginx-return", 1, "load", `stream { ${server} }`, port);
  return port;
}

/** @param config what is in the file beside the events. */
export async function startNginx(
  lab: Lab,
  name: string,
  workers: number,
  place: Place,
  config: string,
  port: number,
): Promise<LabProcess> {
  const text = `
    daemon off;
    pid ${lab.directory}/${name}.pid;
    error_log stderr error;
    worker_processes ${workers};
    worker_rlimit_nofile ${2 * CONNECTIONS_MAX + 500};
    ${streamModule()}
    events { worker_connections ${2 * CONNECTIONS_MAX + 100}; }
    ${config}`;
  const started = lab.start("nginx", ["-p", lab.directory, "-c", lab.file(`${name}.conf`, text)], place);
  await accepting(port, started);
  return started;
}

/** Debian builds `stream` as a module to be loaded, others build it in. */
function streamModule(): string {
  const said = execFileSync("sh", ["-c", "nginx -V 2>&1"], { encoding: "utf8" });
  if (!said.includes("--with-stream=dynamic")) return "";
  const prefix = /--prefix=(\S+)/.exec(said)?.[1] ?? "/usr/share/nginx";
  const modules = /--modules-path=(\S+)/.exec(said)?.[1] ?? `${prefix}/modules`;
  return `load_module ${modules}/ngx_stream_module.so;`;
}
