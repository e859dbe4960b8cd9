// Bytes from one socket to another that never come into this process: splice(2), by way of a pipe. Node has no call for it; it is
// made through Koffi, where that is installed and the system is Linux. A thread has one pipe for all of its connections.
//
// Invariants:
// - The pipe is empty whenever nobody is between take() and the give() or rest() that ends it: what one connection said never
//   reaches another. A pipe of which that is not certain is not used any more.
// - Nothing here waits.
import { constants, openSync, readSync } from "node:fs";
import { constants as system } from "node:os";

/** What the pipe holds, and so what one take() brings: a direction of a connection buffers no more (rules of connections). */
const PIPE_BYTES = 262_144;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
const F_SETPIPE_SZ = 1031;

type SpliceCall = (from: number, _: null, to: number, __: null, bytes: number, flags: number) => number;

export class Splice {
  readonly #splice: SpliceCall;
  readonly #errno: () => number;
  readonly #out: number;
  readonly #in: number;
  #held = 0;

  /** @param out, in its two ends, not blocking. */
  constructor(call: SpliceCall, errno: () => number, ends: { out: number; in: number }) {
    this.#splice = call;
    this.#errno = errno;
    this.#out = ends.out;
    this.#in = ends.in;
  }

  /** Takes what a socket has. The number of bytes; 0: nothing now, or its FIN; negative: its error. */
  take(socket: number): number {
    if (this.#held !== 0) return 0;
    const taken = this.#move(socket, this.#in);
    if (taken > 0) this.#held = taken;
    return taken;
  }

  /** Gives a socket what was taken. The number of bytes that it took, the others are the rest(); negative: its error, and nothing is left. */
  give(socket: number): number {
    const given = this.#move(this.#out, socket);
    if (given < 0) this.rest();
    else this.#held -= given;
    return given;
  }

  /** What was taken and not given: the caller's. */
  rest(): Uint8Array {
    const rest = Buffer.allocUnsafeSlow(this.#held);
    for (let at = 0; at < rest.length;) {
      const read = readSync(this.#out, rest, at, rest.length - at, null);
      if (read === 0) throw new Error(`the pipe holds ${at} bytes, not ${rest.length}`);
      at += read;
    }
    this.#held = 0;
    return rest;
  }

  #move(from: number, to: number): number {
    const moved = this.#splice(from, null, to, null, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved >= 0) return moved;
    const errno = this.#errno();
    return errno === system.errno.EAGAIN || errno === system.errno.EINTR ? 0 : -errno;
  }
}

let opened: Splice | null = null;
let isAsked = false;
let tellUnavailable: (why: unknown) => void = () => undefined;

/** Hears of it, once, when this thread has to do without. */
export function onSpliceUnavailable(tell: (why: unknown) => void): void {
  tellUnavailable = tell;
}

/** This thread's, which is opened for whoever asks first, since that takes some milliseconds; null: not there, or not yet. */
export function threadSplice(): Splice | null {
  if (!isAsked) {
    isAsked = true;
    void openSplice().then((splice) => (opened = splice), tellUnavailable);
  }
  return opened;
}

/** Rejects where there is no such call, no Koffi, or no pipe. */
export async function openSplice(): Promise<Splice> {
  if (process.platform !== "linux") throw new Error(`${process.platform} has no splice(2)`);
  const { default: koffi } = await import("koffi");
  const libc = koffi.load(null);
  const call = libc.func("long splice(int, void *, int, void *, unsigned long, unsigned int)") as SpliceCall;
  const fcntl = libc.func("int fcntl(int, int, ...)");
  const pipe2 = libc.func("int pipe2(_Out_ int *, int)");
  const close = libc.func("int close(int)");
  const made = [-1, -1];
  if (pipe2(made, constants.O_NONBLOCK | O_CLOEXEC) !== 0) throw new Error(`no pipe: error ${koffi.errno()}`);
  const [out, into] = made as [number, number];
  try {
    // Larger than it comes; where the system does not allow it, each call moves less.
    fcntl(into, F_SETPIPE_SZ, "int", PIPE_BYTES);
    // Opened once more by Node, which closes them when this thread ends, however it ends.
    const ends = { out: reopen(out, constants.O_RDONLY), in: reopen(into, constants.O_WRONLY) };
    return new Splice(call, () => koffi.errno(), ends);
  } finally {
    close(out);
    close(into);
  }
}

const O_CLOEXEC = 0o2000000;

function reopen(end: number, way: number): number {
  return openSync(`/proc/self/fd/${end}`, way | constants.O_NONBLOCK);
}
