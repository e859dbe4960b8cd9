import { connect, type Socket } from "node:net";
import { PONG_BYTES } from "../work.ts";

/** What a pong backend is asked with, after the hello. */
export const REQUEST = Buffer.alloc(PONG_BYTES, "?");

export function open(port: number): Socket {
  return connect({ host: "127.0.0.1", port, noDelay: true });
}

/** Resolves with the next bytes. PONG_BYTES are one segment: the first bytes are the answer. */
export function answer(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error("a connection ended before it was answered"));
    socket.once("close", ended);
    socket.once("error", reject);
    socket.once("data", (bytes) => {
      socket.off("close", ended);
      socket.off("error", reject);
      resolve(bytes);
    });
  });
}
