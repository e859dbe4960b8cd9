import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { createSelfSignedCertificate } from "@helloway/runtime/self-signed-certificate";

/** A TLS backend that says who it is, then echoes; its certificate is its own. */
export interface CountingBackend extends AsyncDisposable {
  address: string;
  cert: string;
  /** Connections whose handshake finished. */
  handshakes(): number;
}

export async function startCountingBackend(names: readonly string[], greeting: string): Promise<CountingBackend> {
  const { key, cert } = await createSelfSignedCertificate([...names]);
  let handshakes = 0;
  const open = new Set<TLSSocket>();
  const server = createTlsServer({ key, cert }, (socket) => {
    handshakes += 1;
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.write(`${greeting}\n`);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve());
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the backend has no port");
  return {
    address: `127.0.0.1:${bound.port}`,
    cert,
    handshakes: () => handshakes,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
