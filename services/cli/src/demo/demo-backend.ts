import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { CertificateFiles } from "./certificate-files.ts";
import type { DemoBackend } from "./parse-backend.ts";

export interface RunningBackend {
  server: Server;
  port: number;
}

/**
 * An HTTPS server that says who it is and what it saw. It listens on the wanted port when that is free and on any when it was only
 * remembered; rejects with the system's error.
 */
export async function startDemoBackend(
  backend: DemoBackend,
  rememberedPort: number | undefined,
  certificate: CertificateFiles,
): Promise<RunningBackend> {
  const server = createServer(certificate, (request, response) => {
    response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
    response.end(describe(backend.name, request));
  });
  // A client that breaks its handshake off is no news here.
  server.on("tlsClientError", () => undefined);
  if (backend.port !== 0) return { server, port: await listen(server, backend.host, backend.port) };
  if (rememberedPort !== undefined) {
    try {
      return { server, port: await listen(server, backend.host, rememberedPort) };
    } catch {
      // Somebody else has taken it since: any other does.
    }
  }
  return { server, port: await listen(server, backend.host, 0) };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function describe(name: string, request: IncomingMessage): string {
  const socket = request.socket as TLSSocket;
  return [
    `Hello from the demo backend ${name}.`,
    `TLS ended here, in process ${process.pid}, with a certificate of its own: the edge that brought you could not read a byte of this.`,
    `${socket.getProtocol() ?? "?"}, name in the ClientHello: ${socket.servername || "none"}, connection from ${socket.remoteAddress}:${socket.remotePort}`,
    "",
  ].join("\n");
}
