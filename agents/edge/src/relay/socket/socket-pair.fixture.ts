import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { listenTcp, type TcpListener } from "./listen-tcp.ts";
import type { TcpHandle } from "./tcp-binding.ts";
import { type SocketOwner, TcpSocket } from "./tcp-socket.ts";

export const ignored = (): void => undefined;

const nobody: SocketOwner = {
  read: ignored,
  ended: ignored,
  failed: ignored,
  drained: ignored,
  finished: ignored,
  bug: ignored,
};

export interface SocketPair {
  /** Ours, which nobody owns yet. */
  near: TcpSocket;
  /** Node's, of whoever speaks with us. */
  far: Socket;
  listener: TcpListener;
}

export async function socketPair(): Promise<SocketPair> {
  const { promise, resolve } = Promise.withResolvers<TcpHandle>();
  const target = { address: "127.0.0.1", port: 0, shared: false };
  const listener = listenTcp(target, { onConnection: resolve, onFailure: ignored });
  const far = connect({ host: "127.0.0.1", port: listener.address.port, allowHalfOpen: true });
  far.on("error", ignored);
  await once(far, "connect");
  return { near: new TcpSocket(await promise, nobody), far, listener };
}
