import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { createSelfSignedCertificate } from "@helloway/runtime/self-signed-certificate";

/** A TLS backend with a certificate of its own that speaks just enough HTTP/1.1 for curl, and echoes anything else. */
export interface TlsBackend extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** PEM; also the CA that clients need. */
  readonly cert: string;
}

export async function startTlsBackend(names: readonly string[], says: string): Promise<TlsBackend> {
  const { key, cert } = await createSelfSignedCertificate([...names]);
  const open = new Set<TLSSocket>();
  const server = createServer({ key, cert, ALPNProtocols: ["http/1.1"] }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      if (!chunk.toString("latin1").startsWith("GET ")) socket.write(chunk);
      else socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${says.length}\r\n\r\n${says}`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    host: "127.0.0.1",
    port,
    cert,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
