// Exact byte counts of one socket, at any moment of its life.
//
// socket.bytesWritten counts what was handed to the socket. What the kernel took of it is less while a write is pending, and the
// part it took of a pending write is known to the handle alone: bytesWritten minus writeQueueSize, which Node itself reads for
// its own write timeouts. The handle is kept because Node lets go of it before it emits `error`; until that event the handle
// still knows what was never sent.
//
// One case is a lower bound: a pending write that fails while the socket is not being read (a reset is then seen by the write,
// and libuv has already dropped what was left of it). The last sample stands; the writes since are at most what the kernel took
// within one step of the write watch (copy.ts).
import type { Socket } from "node:net";

interface TcpHandle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}

export class SocketBytes {
  readonly #socket: Socket;
  readonly #handle: TcpHandle | undefined;
  /** Handed to write() and end(), and how much of that was surely accepted. */
  #handed = 0;
  #confirmed = 0;
  #read = 0;
  #failed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#handle = (socket as Socket & { readonly _handle?: TcpHandle })._handle;
  }

  /** All bytes for the socket pass here or through end(). */
  write(bytes: Uint8Array): void {
    if (this.#socket.writableLength === 0) this.#confirmed = this.#handed;
    this.#handed += bytes.length;
    this.#socket.write(bytes);
  }

  /** Writes and half-closes. */
  end(bytes: Uint8Array): void {
    if (this.#socket.writableLength === 0) this.#confirmed = this.#handed;
    this.#handed += bytes.length;
    this.#socket.end(bytes);
  }

  /** Read from the peer. */
  get read(): number {
    return this.#failed ? this.#read : this.#socket.bytesRead;
  }

  /** Of the bytes handed over, those that the kernel took. */
  get accepted(): number {
    this.sample();
    return this.#confirmed;
  }

  /** To be called before the socket is destroyed or reset: afterwards nobody knows what was left of a pending write. */
  sample(): void {
    const socket = this.#socket;
    if (this.#failed) return;
    if (socket.destroyed) {
      if (socket.writableFinished) this.#confirmed = this.#handed;
    } else if (socket.writableLength === 0) this.#confirmed = this.#handed;
    else if (this.#handle) this.#confirm(this.#handle.bytesWritten - this.#handle.writeQueueSize);
  }

  /** To be called first thing on `error`, before the handle forgets. */
  fail(error: NodeJS.ErrnoException): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#read = this.#socket.bytesRead;
    if (error.syscall !== "write" && this.#handle)
      this.#confirm(this.#handle.bytesWritten - this.#handle.writeQueueSize);
  }

  /** A count never goes back, whatever a handle in the course of closing says. */
  #confirm(accepted: number): void {
    if (accepted > this.#confirmed) this.#confirmed = accepted;
  }
}
