// Bytes from one socket to another that never come into this process: splice(2), by way of a pipe. Node has no call for it; it is
// made through Koffi, where that is installed and the system is Linux. A thread has one pipe for all of its connections.
//
// Invariants:
// - The pipe is empty whenever nobody is between take() and the give() or rest() that ends it: what one connection said never
//   reaches another. A pipe of which that is not certain is not used any more.
// - What the call itself cannot do is no connection's end: the thread then does without.
// - Nothing here waits.
import { closeSync, constants, openSync, readSync } from "node:fs";
import { constants as system } from "node:os";

/** What the pipe holds, and so what one take() brings: a direction of a connection buffers no more (rules of connections). */
export const PIPE_BYTES = 262_144;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
const F_SETPIPE_SZ = 1031;
const O_CLOEXEC = 0o2000000;

const { EAGAIN, EINTR, ENOMEM, EPERM, EACCES, EINVAL, EBADF, ENOSYS, EOPNOTSUPP } = system.errno;
/** Of the moment: the ordinary read that follows does without the call. */
const passing = new Set([EAGAIN, EINTR, ENOMEM]);
/** Of the call, not of the socket: a sandbox refuses it, or the system cannot do it. */
const refusing = new Set([EPERM, EACCES, EINVAL, EBADF, ENOSYS, EOPNOTSUPP]);

type SpliceCall = (from: number, _: null, to: number, __: null, bytes: number, flags: number) => number;

export class Splice {
  readonly #splice: SpliceCall;
  readonly #errno: () => number;
  readonly #out: number;
  readonly #in: number;
  #held = 0;

  /** @param ends of the pipe, not blocking. */
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
    if (taken >= 0) {
      this.#held = taken;
      return taken;
    }
    const errno = this.#errno();
    if (refusing.has(errno)) giveUp(new Error(`splice(2) failed: error ${errno}`));
    return passing.has(errno) || refusing.has(errno) ? 0 : -errno;
  }

  /** Gives a socket what was taken. The number of bytes that it took; whoever writes the rest() hears why it took no more. */
  give(socket: number): number {
    const given = Math.max(0, this.#move(this.#out, socket));
    this.#held -= given;
    return given;
  }

  /** What was taken and not given. @param memory of PIPE_BYTES, where it goes. */
  rest(memory: Uint8Array): Uint8Array {
    const rest = memory.subarray(0, this.#held);
    try {
      for (let at = 0; at < rest.length;) {
        const read = readSync(this.#out, rest, at, rest.length - at, null);
        if (read === 0) throw new Error(`the pipe holds ${at} bytes, not ${rest.length}`);
        at += read;
      }
    } catch (error) {
      giveUp(error);
      throw error;
    }
    this.#held = 0;
    return rest;
  }

  #move(from: number, to: number): number {
    return this.#splice(from, null, to, null, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  }
}

let opened: Splice | null = null;
let tellWithout: (why: unknown) => void = () => undefined;

/** This thread's; null: it does without. */
export function threadSplice(): Splice | null {
  return opened;
}

/**
 * Opens this thread's. Before anybody may end the thread: one that is ended while Koffi loads takes its process with it.
 * @param without hears why the thread does without, at once or from then on.
 */
export async function openThreadSplice(without: (why: unknown) => void): Promise<void> {
  tellWithout = without;
  try {
    opened = await openSplice();
  } catch (error) {
    giveUp(error);
  }
}

function giveUp(why: unknown): void {
  opened = null;
  tellWithout(why);
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
    // Of a pipe to itself it is refused with EINVAL where there is such a call.
    call(out, null, into, null, 1, SPLICE_F_NONBLOCK);
    if (koffi.errno() !== EINVAL) throw new Error(`splice(2) is refused: error ${koffi.errno()}`);
    // Larger than it comes; where the system does not allow it, each call moves less.
    fcntl(into, F_SETPIPE_SZ, "int", PIPE_BYTES);
    return new Splice(call, () => koffi.errno(), reopen(out, into));
  } finally {
    close(out);
    close(into);
  }
}

/** The ends once more, as files that Node has opened: it closes them when this thread ends, however it ends. */
function reopen(out: number, into: number): { out: number; in: number } {
  const own = openSync(`/proc/self/fd/${out}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return { out: own, in: openSync(`/proc/self/fd/${into}`, constants.O_WRONLY | constants.O_NONBLOCK) };
  } catch (error) {
    closeSync(own);
    throw error;
  }
}
