import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import { protocolProblem } from "./http/protocol-problem.ts";
import { titleOf } from "./http/respond-problem.ts";
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

export interface HttpServerOptions {
  /** An IP address. */
  host: string;
  /** 0: any free one. */
  port: number;
  /** PEM; absent: plain HTTP. */
  tls?: { key: string; cert: string };
  /** Aborting it is stop(). */
  signal: AbortSignal;
}

export interface HttpServer {
  /** Where it listens: "127.0.0.1:8080", "[::1]:8080". */
  address: string;
  /** Takes no new connection, lets requests that run finish, and cuts what is left after a while. Idempotent. */
  stop(): Promise<void>;
}

/** An API call has its headers at once; this bounds who sends them byte by byte. */
const headersTimeoutMs = 10_000;
/** For the whole request: 1 MiB on a slow line. */
const requestTimeoutMs = 60_000;
/** Longer than the 60 s that proxies in front commonly keep idle connections, so that they close first and never meet our FIN. */
const keepAliveTimeoutMs = 65_000;
/** All header lines together. */
const headerBytesMax = 16 * 1024;
/** How long stop() waits for requests that run. */
const stopTimeoutMs = 5000;

/** Errors of Node's parser; others are 400. */
const rawStatuses: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

const options: ServerOptions = {
  headersTimeout: headersTimeoutMs,
  requestTimeout: requestTimeoutMs,
  keepAliveTimeout: keepAliveTimeoutMs,
  // The listener refuses a request without a Host itself, as a problem.
  requireHostHeader: false,
  maxHeaderSize: headerBytesMax,
  // How often the two timeouts above are looked at.
  connectionsCheckingInterval: 2000,
};

/** Serves an application; rejects with the system's error when it cannot listen. */
export async function serveHttp(
  app: {
    fetch(request: Request, env: { incoming: IncomingMessage; outgoing: ServerResponse }): Response | Promise<Response>;
  },
  { host, port, tls, signal }: HttpServerOptions,
): Promise<HttpServer> {
  signal.throwIfAborted();
  const listener = getRequestListener((request, env) => app.fetch(request, env as never), {
    // Request and Response of the platform stay as they are for everything else in the process.
    overrideGlobalObjects: false,
    // What the application throws it answers itself: here arrives only what is no request.
    errorHandler: () => {
      const { body, headers } = protocolProblem(400);
      return new Response(body, { status: 400, headers });
    },
  }) as RequestListener;
  const server =
    tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
  server.on("clientError", refuseRaw);
  server.on("checkExpectation", (_, response: ServerResponse) => {
    const { body, headers } = protocolProblem(417);
    response.writeHead(417, headers).end(body);
  });
  await listen(server, host, port);

  let stopped: Promise<void> | undefined;
  server.on("request", (_, response: ServerResponse) => {
    // The connection of a request that ends while we stop would stay open for the next one.
    response.once("close", () => setImmediate(() => stopped && server.closeIdleConnections()));
  });
  const stop = () => (stopped ??= close(server));
  signal.addEventListener("abort", () => void stop(), { once: true });
  return { address: textOf(server.address() as AddressInfo), stop };
}

/** Node's parser has no request to answer, only the socket. */
function refuseRaw(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = rawStatuses[error.code ?? ""] ?? 400;
  const { body, headers } = protocolProblem(status);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${titleOf(status)}\r\n${lines.join("")}\r\n${body}`);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, ipv6Only: host.includes(":") }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), stopTimeoutMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function textOf({ address, family, port }: AddressInfo): string {
  return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}
