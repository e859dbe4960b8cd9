import { join } from "node:path";
import type { SocketAddress } from "@helloway/runtime/environment-fields";
import { formatAddress } from "./format-address.ts";

export interface Running {
  dataDirectory: string;
  /** "http://127.0.0.1:8080" */
  origin: string;
  grpc: string;
  admin: string;
  /** Where the edge accepts and this machine reaches it. */
  edge: SocketAddress;
  backends: readonly { hostname: string; address: string; certificate: string }[];
  seconds: string;
}

/** What to do next, as lines that work when pasted. */
export function describeRunning(running: Running): string {
  const { port } = running.edge;
  const edge = formatAddress(running.edge);
  const address = edge.slice(0, edge.lastIndexOf(":"));
  const [first] = running.backends;
  const hostname = first?.hostname ?? "";
  const certificate = quote(first?.certificate ?? "");
  return `
Helloway is running (ready in ${running.seconds} s).

  API          ${running.origin}/api/v1
  API docs     ${running.origin}/docs
  admin token  ${join(running.dataDirectory, "admin-token")}
  edge         ${edge} (its own health and table: http://${running.admin}/table)
  gRPC         ${running.grpc} (edges connect here)
  data         ${running.dataDirectory}
${running.backends.map((backend) => `  backend      ${backend.hostname} -> ${backend.address}`).join("\n")}

Try it. The certificate you see is the backend's own; the edge only read the name:

  curl --resolve ${hostname}:${port}:${address} --cacert ${certificate} https://${hostname}:${port}/

  openssl s_client -connect ${edge} -servername ${hostname} -CAfile ${certificate} -verify_hostname ${hostname} -verify_return_error </dev/null

Ctrl-C stops everything; the state stays in the data directory.
`;
}

/** For a POSIX shell; left alone where nothing in it means anything to one. */
function quote(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
