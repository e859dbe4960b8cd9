// One TCP socket of a connection, on a handle of Node's (tcp-binding.ts), with exact byte counts at any moment of its life.
//
// Invariants:
// - The owner's methods are called one at a time from the event loop, never from within a method of the socket that the owner
//   called: what fails at once is a return value.
// - After close() or reset() the owner hears nothing more.
// - At most what one read or one take of a splice brings (256 KiB) is pending when the owner stops reading the other side while
//   `pending` holds.
//
// Memory. Sockets of one thread read into one piece of memory, which stays in the processor's cache, and what came is copied out
// of it: most reads are small. A socket that brings much is read into a piece of its own, whose bytes go on without a copy; it
// gives it back with its first small read, or when it is still reading after a while in which nothing came. The rest of a move is
// in memory that goes from one socket to the next: there are many of them when somebody reads slowly.
//
// Counts. What the kernel took of a pending write is known to the handle alone: handed minus its queue. One case is a lower
// bound: a pending write that fails; what was left of it is gone with it, and the last sample stands.
import { PIPE_BYTES, threadSplice } from "./splice.ts";
import {
  type ConnectRequest,
  END_OF_FILE,
  kLastWriteWasAsync,
  kReadBytesOrError,
  ShutdownWrap,
  type SocketName,
  streamBaseState,
  TCP,
  TCPConnectWrap,
  type TcpHandle,
  tcpConstants,
  WriteWrap,
  type WriteRequest,
} from "./tcp-binding.ts";

export interface SocketOwner {
  /** Whoever needs the bytes for longer than this call stops the socket until then, or copies them. */
  read(socket: TcpSocket, bytes: Uint8Array): void;
  /** Its FIN was read. */
  ended(socket: TcpSocket): void;
  /** It was reset, or a write failed; only close() or reset() is left to do. @param error a negative error number. */
  failed(socket: TcpSocket, error: number): void;
  /** Nothing is pending any more. */
  drained(socket: TcpSocket): void;
  /** Our FIN is out and everything before it. */
  finished(socket: TcpSocket): void;
  /** Gets what a defect in the above throws. */
  bug(error: unknown): void;
}

/** After a moveTo(): nothing more has come; it was much, now it is the turn of others; the other takes no more for now; one failed. */
export type Moved = "all" | "some" | "blocked" | "failed" | "otherFailed";

interface OwnedHandle extends TcpHandle {
  socket: TcpSocket;
}

interface OwnedWrite extends WriteRequest {
  socket: TcpSocket;
  bytes: Uint8Array;
}

export class TcpSocket {
  owner: SocketOwner;
  readonly #handle: TcpHandle;
  /** Bytes read from the peer. */
  bytesRead = 0;
  #reading = false;
  /** Writes that the kernel has not taken whole. */
  #pendingWrites = 0;
  /** Handed to write(), and how much of that was surely taken. */
  #handed = 0;
  #taken = 0;
  /** Memory of its own that reads go to; null: the memory of all. */
  #own: Uint8Array | null = null;
  /** Whether something came into it since the last sweep. */
  #ownRead = false;
  #swept = 0;
  /** Where the rest of a move is, as long as it is pending. */
  #lent: Uint8Array | null = null;
  /** Of our FIN. It is sent when nothing is pending: a handle that waits to send one can neither be reset nor closed. */
  #shutdown: "no" | "wanted" | "sent" | "done" = "no";
  #resetWanted = false;
  #closed = false;

  constructor(handle: TcpHandle, owner: SocketOwner) {
    this.#handle = handle;
    this.owner = owner;
    (handle as OwnedHandle).socket = this;
    handle.onread = onread;
    handle.useUserBuffer(memoryOfAll);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether some of what was written is not taken by the kernel yet. */
  get pending(): boolean {
    return this.#pendingWrites > 0;
  }

  /** Of the bytes handed over, those that the kernel took. */
  get bytesTaken(): number {
    this.#sample();
    return this.#taken;
  }

  /** Reads on, if it was stopped. */
  resume(): void {
    if (this.#reading || this.#closed) return;
    this.#reading = true;
    this.#handle.readStart();
  }

  stop(): void {
    if (!this.#reading || this.#closed) return;
    this.#reading = false;
    this.#handle.readStop();
  }

  /** The bytes must not change until nothing is pending. 0, or the negative error number of a socket that is of no use any more. */
  write(bytes: Uint8Array): number {
    if (this.#closed) return 0;
    this.#handed += bytes.length;
    const request = nextWrite;
    const error = this.#handle.writeBuffer(request, bytes);
    if (error !== 0) {
      this.#handed -= bytes.length;
      nextWrite = newWrite();
      return error;
    }
    if (streamBaseState[kLastWriteWasAsync] === 0) {
      if (this.#pendingWrites === 0) this.#taken = this.#handed;
      return 0;
    }
    (request as OwnedWrite).socket = this;
    (request as OwnedWrite).bytes = bytes;
    nextWrite = newWrite();
    this.#pendingWrites++;
    return 0;
  }

  /**
   * Gives another socket, of which nothing is pending, what has come since the last read and what comes meanwhile, without a copy of
   * it here; MOVE_BYTES at most. "blocked": some of it is pending there. After "failed" only close() or reset() is left to do.
   */
  moveTo(other: TcpSocket): Moved {
    const splice = threadSplice();
    if (splice === null || this.#closed || other.#closed) return "all";
    const from = this.#handle.fd;
    const to = other.#handle.fd;
    for (let moved = 0; moved < MOVE_BYTES;) {
      const taken = splice.take(from);
      if (taken < 0) return "failed";
      if (taken === 0) return moved < TURN_BYTES ? "all" : "some";
      moved += taken;
      this.bytesRead += taken;
      const given = splice.give(to);
      other.#handed += given;
      other.#taken = other.#handed;
      if (given === taken) continue;
      const memory = pipeSpares.pop() ?? Buffer.allocUnsafeSlow(PIPE_BYTES);
      const error = other.write(splice.rest(memory));
      // It may have had room again meanwhile.
      if (other.pending) other.#lent = memory;
      else pipeSpares.push(memory);
      if (error !== 0) return "otherFailed";
      if (other.pending) return "blocked";
    }
    return "some";
  }

  /** Whether its bytes are read as they come. */
  get isReading(): boolean {
    return this.#reading;
  }

  /**
   * Whether it was reset, for whoever does not read it: the kernel is not watched for a socket that is neither read nor written to.
   * 0: not as far as can be told, which is nothing behind our own FIN, and while something is pending: then failed() tells. Else a
   * negative error number; only close() or reset() is left to do. Less than a microsecond.
   */
  askForReset(): number {
    if (this.#pendingWrites > 0 || this.#shutdown !== "no") return 0;
    // A write of nothing sends nothing, and fails like any other on a socket that was reset. Its error is told once, and nobody will
    // read it any more.
    return this.write(noBytes);
  }

  /** Sends a FIN behind everything written. The owner hears of it by finished(), or failed(). */
  end(): void {
    if (this.#closed || this.#shutdown !== "no") return;
    if (this.#pendingWrites > 0) this.#shutdown = "wanted";
    else this.#sendFin();
  }

  #sendFin(): void {
    this.#shutdown = "sent";
    const request = new ShutdownWrap() as InstanceType<typeof ShutdownWrap> & { socket: TcpSocket };
    request.socket = this;
    request.oncomplete = onshutdown;
    // ENOTCONN: a reset has overtaken us. It is heard of by reading, or there is nobody left to hear.
    if (this.#handle.shutdown(request) !== 0) this.#shutdown = "done";
  }

  /** Whether our FIN and everything before it are out. */
  get isFinished(): boolean {
    return this.#shutdown === "done";
  }

  /** Closes; with nothing pending and nothing unread the peer gets a FIN. */
  close(): void {
    if (this.#closed) return;
    this.#sample();
    this.#closed = true;
    owners.delete(this);
    this.#handle.close();
  }

  /** Closes with a reset. While a FIN is being sent a handle must not be asked to: it would never close. Then as soon as it is out. */
  reset(): void {
    if (this.#closed) return;
    this.#sample();
    this.#closed = true;
    owners.delete(this);
    if (this.#shutdown === "sent") this.#resetWanted = true;
    else this.#resetNow();
  }

  /** What cannot be reset is closed: a handle that refused takes no close any more, so it is asked only when it can. */
  #resetNow(): void {
    this.#handle.reset();
  }

  setNoDelay(): void {
    if (!this.#closed) this.#handle.setNoDelay(true);
  }

  /** Probes an idle peer, first after this. */
  keepAlive(ms: number): void {
    if (!this.#closed) this.#handle.setKeepAlive(true, Math.ceil(ms / 1000));
  }

  localName(): SocketName {
    const name: SocketName = {};
    this.#handle.getsockname(name);
    return name;
  }

  /** For the callbacks of the handle alone. */
  static onRead(socket: TcpSocket): Uint8Array | undefined {
    const count = streamBaseState[kReadBytesOrError]!;
    if (socket.#closed || count === 0) return undefined;
    if (count > 0) {
      socket.bytesRead += count;
      const own = socket.#own;
      socket.owner.read(socket, own === null ? Buffer.copyBytesFrom(memoryOfAll, 0, count) : own.subarray(0, count));
      return count < MUCH_BYTES ? socket.#giveBack() : socket.#takeOwn();
    }
    socket.#reading = false;
    if (count === END_OF_FILE) socket.owner.ended(socket);
    else socket.owner.failed(socket, count);
    return undefined;
  }

  /** Where the next read goes; undefined: where this one went. */
  #takeOwn(): Uint8Array | undefined {
    this.#ownRead = true;
    if (this.#own !== null || this.#closed || owners.size >= OWNERS_MAX) return undefined;
    this.#own = spares.pop() ?? Buffer.allocUnsafeSlow(OWN_BYTES);
    owners.add(this);
    sweeping ??= setInterval(sweep, SWEEP_MS).unref();
    return this.#own;
  }

  /** Not while it is stopped: then somebody still needs what was read. */
  #giveBack(): Uint8Array | undefined {
    if (this.#own === null || !this.#reading) return undefined;
    if (spares.length < SPARES_MAX) spares.push(this.#own);
    this.#own = null;
    owners.delete(this);
    return memoryOfAll;
  }

  /** The handle is told from outside of its read, which leaves a few bytes with it every time: hence the bound. */
  static sweep(socket: TcpSocket): void {
    const isIdle = !socket.#ownRead;
    socket.#ownRead = false;
    if (isIdle && socket.#swept < SWEPT_MAX && socket.#giveBack() !== undefined) {
      socket.#swept++;
      socket.#handle.useUserBuffer(memoryOfAll);
    }
  }

  static onWritten(socket: TcpSocket, status: number): void {
    socket.#pendingWrites--;
    if (socket.#closed) return;
    if (status < 0) return socket.owner.failed(socket, status);
    if (socket.#pendingWrites > 0) return;
    socket.#taken = socket.#handed;
    if (socket.#lent !== null && pipeSpares.length < PIPE_SPARES_MAX) pipeSpares.push(socket.#lent);
    socket.#lent = null;
    if (socket.#shutdown === "wanted") socket.#sendFin();
    socket.owner.drained(socket);
  }

  static onShutdown(socket: TcpSocket, status: number): void {
    socket.#shutdown = "done";
    if (socket.#resetWanted) {
      socket.#resetWanted = false;
      return socket.#resetNow();
    }
    if (socket.#closed) return;
    if (status < 0) socket.owner.failed(socket, status);
    else socket.owner.finished(socket);
  }

  /** A count never goes back, whatever a handle in the course of failing says. */
  #sample(): void {
    if (this.#closed || this.#pendingWrites === 0) return;
    const taken = this.#handed - this.#handle.writeQueueSize;
    if (taken > this.#taken) this.#taken = taken;
  }
}

/** A connection attempt of its own handle, or the negative error number of an attempt that could not begin. */
export function connectTcp(
  { address, family, port }: { address: string; family: 4 | 6; port: number },
  oncomplete: (status: number) => void,
): { handle: TcpHandle; error: number } {
  const handle = new TCP(tcpConstants.SOCKET);
  const request: ConnectRequest = new TCPConnectWrap();
  request.oncomplete = oncomplete;
  const error = family === 6 ? handle.connect6(request, address, port) : handle.connect(request, address, port);
  return { handle, error };
}

/** What one read brings at most. 64 KiB cost a third more for each byte (docs/performance.md). */
const OWN_BYTES = 131_072;
const SHARED_BYTES = 65_536;
/** A read that brings as much may have brought more. */
const MUCH_BYTES = 16_384;
/** What one move takes at most, so that others have their turn: some milliseconds. */
const MOVE_BYTES = 4_194_304;
/** After a move of as much others have their turn, even if nothing more has come: by the next read it may have. */
const TURN_BYTES = 1_048_576;
const SPARES_MAX = 64;
const PIPE_SPARES_MAX = 16;
const pipeSpares: Uint8Array[] = [];
const noBytes = new Uint8Array(0);
const memoryOfAll = Buffer.allocUnsafeSlow(SHARED_BYTES);
const spares: Uint8Array[] = [];

const SWEEP_MS = 1_000;
const SWEPT_MAX = 1_000;
/** Sockets with memory of their own; further ones do without. */
const OWNERS_MAX = 256;
const owners = new Set<TcpSocket>();
let sweeping: NodeJS.Timeout | null = null;

function sweep(): void {
  for (const socket of owners) TcpSocket.sweep(socket);
  if (owners.size > 0) return;
  if (sweeping) clearInterval(sweeping);
  sweeping = null;
}

/** The request of the next write: one that did not have to wait leaves nothing in it, so most writes share one. */
let nextWrite = newWrite();

function newWrite(): WriteRequest {
  const request = new WriteWrap() as OwnedWrite;
  request.oncomplete = onwritten;
  return request;
}

function onread(this: TcpHandle): Uint8Array | undefined {
  const { socket } = this as OwnedHandle;
  try {
    return TcpSocket.onRead(socket);
  } catch (error) {
    socket.owner.bug(error);
    return undefined;
  }
}

function onwritten(this: OwnedWrite, status: number): void {
  try {
    TcpSocket.onWritten(this.socket, status);
  } catch (error) {
    this.socket.owner.bug(error);
  }
}

function onshutdown(this: { socket: TcpSocket }, status: number): void {
  try {
    TcpSocket.onShutdown(this.socket, status);
  } catch (error) {
    this.socket.owner.bug(error);
  }
}
