// Both directions of a forwarded connection, and the only place where every byte passes. Per chunk: one write, two comparisons, one
// look at the clock. Behind a large chunk the kernel moves what has come meanwhile from one socket to the other.
//
// Invariants:
// - A side is not read while a write to the other is pending: a direction holds at most what one read brings (128 KiB) or what the
//   pipe of a splice holds (256 KiB), and in the first write to the backend what was kept while it was dialled (192 KiB in up to
//   256 KiB of memory, and a PROXY header).
// - A FIN is passed on as a FIN after everything before it; a reset as a reset, as soon as it is heard: at once from a side that is
//   read or written to, within UNREAD_ASK_MS (plus a late timer) from one that is neither, before whatever it had said and nobody has
//   read yet. Of a side that has said its FIN only writing tells; of one that is not read and has our FIN only reading on, for which
//   writeStall is the bound.
// - It ends exactly once, with one reason: the side whose FIN or reset was seen first, or our own cut.
// - Our own cut stops forwarding, flushes and half-closes both sides, and resets what is left after a second.
//
// Times are looked at when they may be due, never moved by a byte: one timer, set for the earliest moment at which something
// could have run out, computes what is left from the time of the last activity. A pending write is watched in steps of an
// eighth of writeStall, because the kernel does not say when it takes bytes, and of UNREAD_ASK_MS at most, because it does not say
// either that the side which waits for that write, or for its bandwidth, was reset.
import type { CloseReason, ForwardedReason } from "@helloway/routing/close-reason";
import { Bandwidth } from "../limits/bandwidth.ts";
import { KEEP_ALIVE_MS } from "../socket/listen-tcp.ts";
import type { SocketOwner, TcpSocket } from "../socket/tcp-socket.ts";
import type { RouteTimeouts } from "../table/served-route.ts";
import { TIMER_MAX_MS } from "./timer-max.ts";

/** How long our own cut waits for its flush and FIN. */
const CUT_FLUSH_MS = 1_000;
const WATCH_STEPS = 8;
const WATCH_MIN_MS = 10;
/** How often a side that is not read is asked whether it was reset. */
const UNREAD_ASK_MS = 1_000;
/** A read that brings as much is one of many: further ones go past this process (socket/splice.ts). */
const BULK_BYTES = 65_536;

export interface CopyOwner {
  /** Called once; both sockets are then closed or closing. */
  copyEnded(reason: CloseReason): void;
  /** The backend has said something, for the first time. */
  answered(): void;
  /** It would have been slowed down, had the limit not only observed. Once. */
  overBandwidth(): void;
  /** Gets what a defect throws; the owner then aborts. */
  bug(error: unknown): void;
}

export interface CopyTerms {
  readonly timeouts: RouteTimeouts;
  /** null: no limit. */
  readonly bytesPerSecond: number | null;
  /** Slow down what is over bytesPerSecond; else only tell. */
  readonly enforce: boolean;
}

class Side {
  readonly socket: TcpSocket;
  /** null: as fast as it comes. */
  readonly bandwidth: Bandwidth | null;
  /** Its FIN was read. */
  ended = false;
  /** It is of no use any more: reset, during our own cut. */
  gone = false;
  /** Not read for the bandwidth's sake. */
  held: NodeJS.Timeout | null = null;
  /** A write to it is pending: what it had taken when that last changed, and when. */
  watched = false;
  taken = 0;
  progressAt = 0;

  constructor(socket: TcpSocket, bandwidth: Bandwidth | null) {
    this.socket = socket;
    this.bandwidth = bandwidth;
  }

  /** Nothing more comes of it, and everything for it is out, our FIN included. */
  get isOver(): boolean {
    return this.gone || (this.ended && this.socket.isFinished);
  }
}

export class Copy implements SocketOwner {
  readonly #client: Side;
  readonly #upstream: Side;
  readonly #terms: CopyTerms;
  readonly #openedAt: number;
  readonly #owner: CopyOwner;
  #activeAt: number;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = Infinity;
  #firstEnd: ForwardedReason | null = null;
  #cut: CloseReason | null = null;
  #answered = false;
  #keptAlive = false;
  #toldOver = false;
  #over = false;

  /**
   * Becomes the owner of both sockets.
   * @param openedAt when the connection was accepted; performance.now().
   */
  constructor(client: TcpSocket, upstream: TcpSocket, terms: CopyTerms, openedAt: number, owner: CopyOwner) {
    const now = performance.now();
    const { bytesPerSecond } = terms;
    const bandwidth = (): Bandwidth | null => (bytesPerSecond === null ? null : new Bandwidth(bytesPerSecond, now));
    this.#client = new Side(client, bandwidth());
    this.#upstream = new Side(upstream, bandwidth());
    this.#terms = terms;
    this.#openedAt = openedAt;
    this.#owner = owner;
    this.#activeAt = now;
    client.owner = this;
    upstream.owner = this;
  }

  /**
   * Says to the backend in one write what the client sent so far, then forwards.
   * @param preamble goes before it: a PROXY header; null: none.
   */
  start(preamble: Uint8Array | null, received: Uint8Array, clientEnded: boolean): void {
    const client = this.#client;
    const upstream = this.#upstream;
    const first = preamble === null ? received : Buffer.concat([preamble, received]);
    upstream.socket.resume();
    if (!clientEnded) client.socket.resume();
    this.#forward(first, client, upstream);
    if (this.#over) return;
    if (clientEnded) this.#ended(client);
    else this.#arm(this.#activeAt);
  }

  read(socket: TcpSocket, bytes: Uint8Array): void {
    if (socket === this.#client.socket) return this.#forward(bytes, this.#client, this.#upstream);
    if (!this.#answered) {
      this.#answered = true;
      this.#owner.answered();
    }
    this.#forward(bytes, this.#upstream, this.#client);
  }

  ended(socket: TcpSocket): void {
    this.#ended(this.#sideOf(socket));
  }

  failed(socket: TcpSocket): void {
    this.#failed(this.#sideOf(socket));
  }

  drained(socket: TcpSocket): void {
    this.#activeAt = performance.now();
    this.#readOn(this.#other(this.#sideOf(socket)));
  }

  finished(): void {
    this.#endIfDone();
  }

  bug(error: unknown): void {
    this.#owner.bug(error);
  }

  #forward(bytes: Uint8Array, from: Side, to: Side): void {
    this.#activeAt = performance.now();
    if (this.#cut !== null) return;
    if (to.socket.write(bytes) !== 0) return this.#failed(to);
    if (to.socket.pending) this.#wait(from, to);
    else if (bytes.length >= BULK_BYTES && from.bandwidth === null) this.#move(from, to);
    if (from.bandwidth !== null) this.#slow(from, from.bandwidth, bytes.length);
  }

  /** What has come meanwhile, and would take many reads. */
  #move(from: Side, to: Side): void {
    switch (from.socket.moveTo(to.socket)) {
      case "all":
        return;
      case "some":
        // Others first.
        from.socket.stop();
        setImmediate(readOn, this, from);
        return;
      case "blocked":
        return this.#wait(from, to);
      case "failed":
        return this.#failed(from);
      case "otherFailed":
        return this.#failed(to);
    }
  }

  /** Until a write to the other side is out. */
  #wait(from: Side, to: Side): void {
    from.socket.stop();
    if (!to.watched) this.#watch(to);
  }

  /** Others have had their turn. */
  readOn(side: Side): void {
    if (!this.#over) this.#readOn(side);
  }

  #readOn(side: Side): void {
    if (side.held === null && !side.ended && !this.#other(side).socket.pending) side.socket.resume();
  }

  #slow(from: Side, bandwidth: Bandwidth, bytes: number): void {
    const pauseMs = bandwidth.pauseMs(bytes, this.#activeAt);
    if (pauseMs === 0) return;
    if (!this.#terms.enforce) {
      if (!this.#toldOver) this.#owner.overBandwidth();
      this.#toldOver = true;
      return;
    }
    from.socket.stop();
    if (from.held) clearTimeout(from.held);
    from.held = setTimeout(letGo, pauseMs, this, from);
    if (pauseMs > UNREAD_ASK_MS) this.#arm(this.#activeAt);
  }

  /** The bandwidth lets a side be read again. */
  letGo(side: Side): void {
    side.held = null;
    if (this.#over) return;
    this.#activeAt = performance.now();
    this.#readOn(side);
    if (this.#cut === null) this.#arm(this.#activeAt);
  }

  #ended(from: Side): void {
    from.ended = true;
    this.#activeAt = performance.now();
    this.#firstEnd ??= from === this.#client ? "client_closed" : "backend_closed";
    const to = this.#other(from);
    // Both are done and everything is out: closing says so to both.
    if (to.ended && !to.socket.pending && !from.socket.pending) return this.#end();
    to.socket.end();
    this.#endIfDone();
    if (!this.#over && this.#cut === null) this.#arm(this.#activeAt);
  }

  #endIfDone(): void {
    if (this.#client.isOver && this.#upstream.isOver) this.#end();
  }

  #failed(side: Side): void {
    if (this.#over) return;
    if (this.#cut !== null) {
      side.gone = true;
      side.socket.close();
      return this.#endIfDone();
    }
    this.#firstEnd ??= side === this.#client ? "client_reset" : "backend_reset";
    this.#other(side).socket.reset();
    this.#end();
  }

  /** Our own end of it, for this reason. False: another cut began before. */
  cut(reason: ForwardedReason): boolean {
    if (this.#over || this.#cut !== null) return false;
    this.#cut = reason;
    for (const side of [this.#client, this.#upstream]) {
      side.socket.end();
      if (side.held) clearTimeout(side.held);
      side.held = null;
      // Whose bytes are still being written is read on when they are out: the next read would change them.
      this.#readOn(side);
    }
    this.#setTimer(CUT_FLUSH_MS);
    this.#endIfDone();
    return true;
  }

  /** Ends at once, with resets. */
  abort(reason: CloseReason): void {
    if (this.#over) return;
    this.#cut ??= reason;
    this.#client.socket.reset();
    this.#upstream.socket.reset();
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#timer) clearTimeout(this.#timer);
    for (const { socket, held } of [this.#client, this.#upstream]) {
      if (held) clearTimeout(held);
      socket.close();
    }
    this.#owner.copyEnded(this.#cut ?? this.#firstEnd ?? "internal_error");
  }

  #sideOf(socket: TcpSocket): Side {
    return socket === this.#client.socket ? this.#client : this.#upstream;
  }

  #other(side: Side): Side {
    return side === this.#client ? this.#upstream : this.#client;
  }

  #watch(to: Side): void {
    to.watched = true;
    to.taken = to.socket.bytesTaken;
    to.progressAt = this.#activeAt;
    this.#arm(this.#activeAt);
  }

  /** Looks whether a watched write went on. True: it did not for too long. */
  #stalled(to: Side, now: number): boolean {
    if (!to.watched) return false;
    const taken = to.socket.bytesTaken;
    if (taken !== to.taken || !to.socket.pending) {
      to.taken = taken;
      to.progressAt = now;
      this.#activeAt = now;
      to.watched = to.socket.pending;
    }
    return to.watched && now - to.progressAt >= this.#terms.timeouts.writeStallMs;
  }

  /** Something may have run out. */
  check(): void {
    this.#dueAt = Infinity;
    if (this.#cut !== null) return this.abort(this.#cut);
    // Not before: most connections are over by then, and it is four system calls.
    if (!this.#keptAlive) this.#upstream.socket.keepAlive(KEEP_ALIVE_MS);
    this.#keptAlive = true;
    if (this.#askUnread()) return;
    const now = performance.now();
    const due = this.#due(now);
    if (due) this.cut(due);
    else this.#arm(now);
  }

  /** Whether a side that is not read turns out to be reset, which has ended all. */
  #askUnread(): boolean {
    for (const side of [this.#client, this.#upstream]) {
      if (side.ended || side.socket.isReading || side.socket.askForReset() === 0) continue;
      this.#failed(side);
      return true;
    }
    return false;
  }

  #due(now: number): ForwardedReason | null {
    const { maxDurationMs } = this.#terms.timeouts;
    if (maxDurationMs !== null && now - this.#openedAt >= maxDurationMs) return "max_duration";
    const clientStalled = this.#stalled(this.#client, now);
    if (this.#stalled(this.#upstream, now) || clientStalled) return "write_stall";
    if (this.#client.watched || this.#upstream.watched || this.#isHeld()) return null;
    const { limitMs, reason } = this.#idleLimit();
    return now - this.#activeAt >= limitMs ? reason : null;
  }

  #isHeld(): boolean {
    return this.#client.held !== null || this.#upstream.held !== null;
  }

  #idleLimit(): { limitMs: number; reason: ForwardedReason } {
    const { idleMs, halfClosedMs } = this.#terms.timeouts;
    return this.#firstEnd !== null && halfClosedMs <= idleMs
      ? { limitMs: halfClosedMs, reason: "half_closed_timeout" }
      : { limitMs: idleMs, reason: "idle_timeout" };
  }

  /** Makes sure that check() runs when something can next run out. */
  #arm(now: number): void {
    const { maxDurationMs, writeStallMs } = this.#terms.timeouts;
    const watched = this.#client.watched || this.#upstream.watched;
    const quietMs = watched
      ? Math.min(Math.max(writeStallMs / WATCH_STEPS, WATCH_MIN_MS), UNREAD_ASK_MS)
      : this.#isHeld()
        ? UNREAD_ASK_MS
        : this.#activeAt + this.#idleLimit().limitMs - now;
    const leftMs = maxDurationMs === null ? Infinity : this.#openedAt + maxDurationMs - now;
    const aliveMs = this.#keptAlive ? Infinity : KEEP_ALIVE_MS;
    const waitMs = Math.max(1, Math.min(quietMs, leftMs, aliveMs));
    if (waitMs !== Infinity && now + waitMs < this.#dueAt) this.#setTimer(waitMs);
  }

  #setTimer(waitMs: number): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#dueAt = performance.now() + waitMs;
    this.#timer = setTimeout(check, Math.min(Math.ceil(waitMs), TIMER_MAX_MS), this);
  }
}

function check(copy: Copy): void {
  try {
    copy.check();
  } catch (error) {
    copy.bug(error);
  }
}

function readOn(copy: Copy, side: Side): void {
  try {
    copy.readOn(side);
  } catch (error) {
    copy.bug(error);
  }
}

function letGo(copy: Copy, side: Side): void {
  try {
    copy.letGo(side);
  } catch (error) {
    copy.bug(error);
  }
}
