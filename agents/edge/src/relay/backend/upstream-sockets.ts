// Our own sockets to backends, by the address and port they come from, to recognise a connection that comes back to us.
//
// The same address and port can at once belong to an honest client on this host: Linux gives one local port to several
// connections as long as they go to different places. So a pair alone is only a suspicion. It is a loop when the backend's
// address is the one the connection was accepted on, or, when something between translated that, when what the connection
// says is what we said on the upstream socket, which nobody has answered yet: a hello's 32 random bytes are within the first.
import type { Socket } from "node:net";
import { unmapped } from "../connection/source.ts";

/** Enough of a hello to hold its random: record header 5, handshake header 4, version 2, random 32. */
const HEAD_BYTES = 43;

export class UpstreamSocket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Pick<Socket, "bytesRead">;
  /** The first bytes handed to it; empty before. */
  #head: Uint8Array = new Uint8Array(0);

  constructor(socket: Pick<Socket, "bytesRead">, remoteAddress: string, remotePort: number) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  /** @param bytes everything written so far. */
  said(bytes: Uint8Array): void {
    this.#head = Uint8Array.prototype.slice.call(bytes, 0, HEAD_BYTES);
  }

  /** Whether a connection that began with these bytes is this socket. */
  isEcho(bytes: Uint8Array): boolean {
    if (this.#head.length < HEAD_BYTES || this.#socket.bytesRead > 0) return false;
    return Buffer.compare(bytes.subarray(0, HEAD_BYTES), this.#head) === 0;
  }
}

export type Acceptance = { kind: "other" } | { kind: "suspect"; upstream: UpstreamSocket } | { kind: "loop" };

const other: Acceptance = { kind: "other" };

export class UpstreamSockets {
  readonly #sockets = new Map<string, UpstreamSocket>();

  /** Must be called when the socket has its local port: once connect() has begun, connected or not. Unmaps v4-mapped addresses. */
  add(socket: Socket, remoteAddress: string, remotePort: number): UpstreamSocket | null {
    if (socket.destroyed || socket.localAddress === undefined) return null;
    const key = `${unmapped(socket.localAddress)} ${socket.localPort}`;
    const upstream = new UpstreamSocket(socket, unmapped(remoteAddress), remotePort);
    this.#sockets.set(key, upstream);
    socket.once("close", () => {
      if (this.#sockets.get(key) === upstream) this.#sockets.delete(key);
    });
    return upstream;
  }

  /**
   * What the addresses of an accepted connection say, v4-mapped ones unmapped.
   * @param localAddress where it was accepted; asked for only when it matters, because it costs a system call.
   */
  judge(source: string, sourcePort: number, localAddress: () => string, localPort: number): Acceptance {
    const upstream = this.#sockets.get(`${source} ${sourcePort}`);
    if (!upstream) return other;
    const same = upstream.remotePort === localPort && upstream.remoteAddress === localAddress();
    return same ? { kind: "loop" } : { kind: "suspect", upstream };
  }

  get size(): number {
    return this.#sockets.size;
  }
}
