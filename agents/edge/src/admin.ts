// The agent's read-only endpoint. It shows names and backends to whoever reaches it, so it is meant for loopback or a private network.
//
// - /livez   200 while the process runs.
// - /readyz  200 when the edge serves a table and is not draining, else 503; the body says why not.
// - /table   what is served, what is refused and why, and how the control plane and the disk are.
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ListenerAddress } from "./relay/relay.ts";

export interface AdminSource {
  /** Why the edge is not ready; empty: it is. */
  notReady(): string[];
  /** What /table shows; JSON. */
  table(): unknown;
}

export interface AdminServer extends AsyncDisposable {
  /** As bound. */
  readonly address: ListenerAddress;
}

const requestTimeoutMs = 5_000;

/** Resolves when it listens; rejects with the system error. */
export async function startAdmin(listen: ListenerAddress, source: AdminSource): Promise<AdminServer> {
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    (request, response) => respond(source, request, response),
  );
  await listening(server, listen);
  const { address, port } = server.address() as AddressInfo;
  return {
    address: { address, port },
    async [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
}

function listening(server: Server, { address, port }: ListenerAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host: address, port, ipv6Only: true }, () => {
    server.off("error", reject);
    resolve();
  });
  return promise;
}

function respond(source: AdminSource, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  if (!["/livez", "/readyz", "/table"].includes(path)) {
    send(response, request, 404, { detail: "there are /livez, /readyz and /table" });
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    send(response, request, 405, { detail: "this endpoint is read-only" });
  } else if (path === "/livez") {
    send(response, request, 200, { live: true });
  } else if (path === "/table") {
    send(response, request, 200, source.table());
  } else {
    const reasons = source.notReady();
    send(response, request, reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
  }
}

function send(response: ServerResponse, request: IncomingMessage, status: number, body: unknown): void {
  const text = `${JSON.stringify(body, null, 2)}\n`;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(request.method === "HEAD" ? undefined : text);
}
