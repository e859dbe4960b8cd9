import { once } from "node:events";
import { type AddressInfo, type Socket, createServer } from "node:net";
import type * as grpc from "@grpc/grpc-js";

/** The TCP side of the gRPC port. grpc-js knows only of connections that got as far as HTTP/2; here every one is known. */
export interface Listener {
  /** The port that is bound. */
  port: number;
  /** Accepts no more. */
  close(): void;
  /** Ends what is still connected. */
  destroyConnections(): void;
}

/** Listens and gives each connection to the server, which is to have its services by now. Rejects with the system's error. */
export async function listenFor(
  server: grpc.Server,
  credentials: grpc.ServerCredentials,
  { host, port }: { host: string; port: number },
): Promise<Listener> {
  const injector = server.createConnectionInjector(credentials);
  const connections = new Set<Socket>();
  const listener = createServer({ noDelay: true }, (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    // What goes wrong with a connection is told by its calls; one that had none is nobody's loss.
    socket.on("error", () => undefined);
    injector.injectConnection(socket);
  });
  listener.listen({ host, port });
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    close: () => void listener.close(),
    destroyConnections() {
      for (const socket of connections) socket.destroy();
    },
  };
}
