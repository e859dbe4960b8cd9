import { accepting, freePort, installed } from "./lab.ts";
import { BACKLOG, CONNECTIONS_MAX, type ProxyKind } from "./proxy.ts";

/** Mode tcp by `req_ssl_sni`, with `splice` both ways. */
export const haproxy: ProxyKind = {
  name: "HAProxy",
  version: () => installed("haproxy", "-v"),
  async start(lab, job) {
    const port = await freePort();
    const names = [...job.backends];
    const config = `
global
  nbthread ${lab.workers}
  maxconn ${CONNECTIONS_MAX}
defaults
  mode tcp
  timeout connect 3s
  timeout client 10m
  timeout server 10m
  option splice-auto
  option splice-request
  option splice-response
frontend sni
  bind 127.0.0.1:${port} backlog ${BACKLOG}
  tcp-request inspect-delay ${job.helloSeconds}s
  tcp-request content accept if { req_ssl_hello_type 1 }
${names.map(([name]) => `  use_backend ${name} if { req_ssl_sni -i ${name} }\n`).join("")}
${names.map(([name, backend]) => `backend ${name}\n  server one 127.0.0.1:${backend}\n`).join("")}`;
    const started = lab.start("haproxy", ["-db", "-f", lab.file("haproxy.cfg", config)], job.place);
    await accepting(port, started);
    return { name: this.name, port: () => port, pid: started.pid };
  },
};
