import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { freePort, type Lab, type Place } from "./lab.ts";
import { startNginx } from "./nginx.ts";
import { BACKLOG } from "./proxy.ts";

/** wrk sends the host of its URL as the server name, and this one resolves everywhere. */
export const HTTPS_NAME = "localhost";

/**
 * nginx with a certificate on P-256 and TLS 1.3, which answers every request with a few bytes. Sessions are not resumed: every
 * connection is a whole handshake.
 *
 * @returns its port.
 */
export async function startHttpsBackend(lab: Lab, workers: number, place: Place): Promise<number> {
  const port = await freePort();
  const key = join(lab.directory, "key.pem");
  const certificate = join(lab.directory, "certificate.pem");
  const made = [
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    `/CN=${HTTPS_NAME}`,
  ];
  execFileSync("openssl", ["req", ...made, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = `
    http {
      access_log off;
      ${temporary.map((each) => `${each}_temp_path ${join(lab.directory, each)};`).join(" ")}
      keepalive_requests 1000000000;
      server {
        listen 127.0.0.1:${port} ssl backlog=${BACKLOG};
        ssl_certificate ${certificate};
        ssl_certificate_key ${key};
        ssl_protocols TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
        location / { return 200 "ok"; }
      }
    }`;
  await startNginx(lab, "nginx-https", workers, place, config, port);
  return port;
}
