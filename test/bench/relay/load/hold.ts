import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { helloFor } from "../hello.ts";
import type { Held, Work } from "../work.ts";

type HoldWork = Extract<Work, { do: "hold" }>;

/** As many as are opened at a time: no accept queue is longer than this. */
const AT_ONCE = 128;

export class Holding {
  #sockets: Socket[] = [];
  #lost = 0;

  /** Adds to what is held already; answers when every backend has answered, or every half of a hello is sent. */
  async hold(work: HoldWork): Promise<Held> {
    const hello = helloFor(work.name);
    for (let from = 0; from < work.connections; from += AT_ONCE) {
      const some = Math.min(AT_ONCE, work.connections - from);
      const opened = Array.from({ length: some }, (_, index) => this.#open(work, hello, from + index));
      this.#sockets.push(...(await Promise.all(opened)));
    }
    return { connections: this.#sockets.length, lost: this.#lost };
  }

  /** Answers with what was held until now, when all of it is closed. */
  async release(): Promise<Held> {
    const held = { connections: this.#sockets.length, lost: this.#lost };
    const closed = this.#sockets.filter((socket) => !socket.closed).map((socket) => once(socket, "close"));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
    this.#sockets = [];
    this.#lost = 0;
    return held;
  }

  async #open(work: HoldWork, hello: Buffer, index: number): Promise<Socket> {
    const localAddress = `127.0.0.${1 + (index % work.sources)}`;
    const socket = connect({ host: "127.0.0.1", port: work.port, localAddress, noDelay: true });
    socket.on("error", () => undefined);
    socket.once("close", () => (this.#lost += 1));
    const half = work.hello === "half";
    socket.write(half ? hello.subarray(0, hello.length >> 1) : hello);
    await Promise.race([once(socket, half ? "connect" : "data"), failedToOpen(socket)]);
    return socket;
  }
}

/** Rejects when it ends. */
function failedToOpen(socket: Socket): Promise<never> {
  return new Promise((_, reject) => {
    socket.once("close", () => reject(new Error("a connection ended while it was opened")));
  });
}
