import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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

const options: ServerOptions = {
  headersTimeout: headersTimeoutMs,
  requestTimeout: requestTimeoutMs,
  keepAliveTimeout: keepAliveTimeoutMs,
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
  }) as RequestListener;
  const server =
    tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
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
