// Both directions of a forwarded connection, and the only place where every byte passes. Per chunk: one write, two comparisons,
// one look at the clock.
//
// Invariants:
// - A side whose sink holds more than its high-water mark (64 KiB) is not read until the sink is empty. With what Node reads
//   ahead (at most two chunks of 64 KiB) a direction never holds more than 256 KiB.
// - A FIN is passed on as a FIN after everything before it; a reset as a reset, at once.
// - It ends exactly once, with one reason: the side whose FIN or reset was seen first, or our own cut.
// - Our own cut stops forwarding, flushes and half-closes both sides, and resets what is left after a second.
//
// Times are looked at when they may be due, never moved by a byte: one timer, set for the earliest moment at which something
// could have run out, computes what is left from the time of the last activity. A pending write is watched in steps of an
// eighth of writeStall, because the kernel does not say when it takes bytes.
import type { Socket } from "node:net";
import type { CloseReason, ForwardedReason } from "@helloway/routing/close-reason";
import type { RouteTimeouts } from "../table/served-route.ts";
import { resetSocket } from "./reset-socket.ts";
import { safely } from "./safely.ts";
import type { SocketBytes } from "./socket-bytes.ts";
import { TIMER_MAX_MS } from "./timer-max.ts";

/** How long our own cut waits for its flush and FIN. */
const CUT_FLUSH_MS = 1_000;
const WATCH_STEPS = 8;
const WATCH_MIN_MS = 10;

interface Side {
  readonly socket: Socket;
  readonly bytes: SocketBytes;
  /** Its FIN was read; ours to it is out and so is everything before it. */
  ended: boolean;
  finished: boolean;
  /** A write to it is pending: what it had taken when that last changed, and when. */
  watched: boolean;
  accepted: number;
  progressAt: number;
}

export class Copy {
  readonly #client: Side;
  readonly #upstream: Side;
  readonly #timeouts: RouteTimeouts;
  readonly #openedAt: number;
  readonly #onEnd: (reason: CloseReason) => void;
  readonly #bug: (error: unknown) => void;
  readonly #checkSafely = safely(
    (error) => this.#bug(error),
    () => this.#check(),
  );
  #activeAt: number;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = Infinity;
  #firstEnd: ForwardedReason | null = null;
  #cut: CloseReason | null = null;
  #over = false;

  /**
   * @param openedAt when the connection was accepted; performance.now().
   * @param onEnd called once; both sockets are then closed or closing.
   * @param bug gets what a defect throws; the owner then aborts.
   */
  constructor(
    client: { socket: Socket; bytes: SocketBytes },
    upstream: { socket: Socket; bytes: SocketBytes },
    timeouts: RouteTimeouts,
    openedAt: number,
    onEnd: (reason: CloseReason) => void,
    bug: (error: unknown) => void,
  ) {
    this.#client = side(client.socket, client.bytes);
    this.#upstream = side(upstream.socket, upstream.bytes);
    this.#timeouts = timeouts;
    this.#openedAt = openedAt;
    this.#onEnd = onEnd;
    this.#bug = bug;
    this.#activeAt = performance.now();
  }

  /** Replays what the client sent so far in one write, then forwards. The owner passes on the client's data, end and error. */
  start(received: Uint8Array, clientEnded: boolean): void {
    const bug = this.#bug;
    const client = this.#client;
    const upstream = this.#upstream;
    upstream.socket
      .on(
        "data",
        safely(bug, (chunk: Buffer) => this.#forward(chunk, upstream, client)),
      )
      .on(
        "end",
        safely(bug, () => this.#ended(upstream)),
      )
      .on(
        "error",
        safely(bug, (error: Error) => this.#failed(upstream, error)),
      )
      .on(
        "drain",
        safely(bug, () => this.#drained(client)),
      )
      .on(
        "finish",
        safely(bug, () => this.#finished(upstream)),
      );
    client.socket
      .on(
        "drain",
        safely(bug, () => this.#drained(upstream)),
      )
      .on(
        "finish",
        safely(bug, () => this.#finished(client)),
      );
    client.socket.resume();
    this.#forward(received, client, upstream);
    if (clientEnded) this.#ended(client);
    else this.#arm(this.#activeAt);
  }

  clientData(chunk: Uint8Array): void {
    this.#forward(chunk, this.#client, this.#upstream);
  }

  clientEnded(): void {
    this.#ended(this.#client);
  }

  clientFailed(error: NodeJS.ErrnoException): void {
    this.#failed(this.#client, error);
  }

  #forward(chunk: Uint8Array, from: Side, to: Side): void {
    this.#activeAt = performance.now();
    if (this.#cut !== null) return;
    to.bytes.write(chunk);
    const pending = to.socket.writableLength;
    if (pending === 0) return;
    if (pending >= to.socket.writableHighWaterMark) from.socket.pause();
    if (!to.watched) this.#watch(to);
  }

  #drained(from: Side): void {
    this.#activeAt = performance.now();
    from.socket.resume();
  }

  #ended(from: Side): void {
    from.ended = true;
    this.#activeAt = performance.now();
    this.#firstEnd ??= from === this.#client ? "client_closed" : "backend_closed";
    this.#other(from).socket.end();
    this.#endIfDone();
    if (!this.#over && this.#cut === null) this.#arm(this.#activeAt);
  }

  #finished(to: Side): void {
    to.finished = true;
    this.#endIfDone();
  }

  #endIfDone(): void {
    const { ended, finished } = this.#client;
    if (ended && finished && this.#upstream.ended && this.#upstream.finished) this.#end();
  }

  #failed(side: Side, error: NodeJS.ErrnoException): void {
    side.bytes.fail(error);
    if (this.#over) return;
    if (this.#cut !== null) {
      side.ended = true;
      side.finished = true;
      this.#endIfDone();
      return;
    }
    this.#firstEnd ??= side === this.#client ? "client_reset" : "backend_reset";
    this.#reset(this.#other(side));
    this.#end();
  }

  #reset({ socket, bytes }: Side): void {
    bytes.sample();
    resetSocket(socket);
  }

  /** Our own end of it, for this reason. False: another cut began before. */
  cut(reason: ForwardedReason): boolean {
    if (this.#over || this.#cut !== null) return false;
    this.#cut = reason;
    for (const { socket } of [this.#client, this.#upstream]) {
      socket.end();
      socket.resume();
    }
    this.#setTimer(CUT_FLUSH_MS);
    return true;
  }

  /** Ends at once, with resets. */
  abort(reason: CloseReason): void {
    if (this.#over) return;
    this.#cut ??= reason;
    this.#reset(this.#client);
    this.#reset(this.#upstream);
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#onEnd(this.#cut ?? this.#firstEnd ?? "internal_error");
  }

  #other(side: Side): Side {
    return side === this.#client ? this.#upstream : this.#client;
  }

  #watch(to: Side): void {
    to.watched = true;
    to.accepted = to.bytes.accepted;
    to.progressAt = this.#activeAt;
    this.#arm(this.#activeAt);
  }

  /** Looks whether a watched write went on. True: it did not for too long. */
  #stalled(to: Side, now: number): boolean {
    if (!to.watched) return false;
    const accepted = to.bytes.accepted;
    if (accepted !== to.accepted || to.socket.writableLength === 0) {
      to.accepted = accepted;
      to.progressAt = now;
      this.#activeAt = now;
      to.watched = to.socket.writableLength > 0;
    }
    return to.watched && now - to.progressAt >= this.#timeouts.writeStallMs;
  }

  #check(): void {
    this.#dueAt = Infinity;
    if (this.#cut !== null) return this.abort(this.#cut);
    const now = performance.now();
    const due = this.#due(now);
    if (due) this.cut(due);
    else this.#arm(now);
  }

  #due(now: number): ForwardedReason | null {
    const { maxDurationMs } = this.#timeouts;
    if (maxDurationMs !== null && now - this.#openedAt >= maxDurationMs) return "max_duration";
    const clientStalled = this.#stalled(this.#client, now);
    if (this.#stalled(this.#upstream, now) || clientStalled) return "write_stall";
    if (this.#client.watched || this.#upstream.watched) return null;
    const { limitMs, reason } = this.#idleLimit();
    return now - this.#activeAt >= limitMs ? reason : null;
  }

  #idleLimit(): { limitMs: number; reason: ForwardedReason } {
    const { idleMs, halfClosedMs } = this.#timeouts;
    return this.#firstEnd !== null && halfClosedMs <= idleMs
      ? { limitMs: halfClosedMs, reason: "half_closed_timeout" }
      : { limitMs: idleMs, reason: "idle_timeout" };
  }

  /** Makes sure that #check runs when something can next run out. */
  #arm(now: number): void {
    const { maxDurationMs, writeStallMs } = this.#timeouts;
    const watched = this.#client.watched || this.#upstream.watched;
    const quietMs = watched
      ? Math.max(writeStallMs / WATCH_STEPS, WATCH_MIN_MS)
      : this.#activeAt + this.#idleLimit().limitMs - now;
    const leftMs = maxDurationMs === null ? Infinity : this.#openedAt + maxDurationMs - now;
    const waitMs = Math.max(1, Math.min(quietMs, leftMs));
    if (now + waitMs < this.#dueAt) this.#setTimer(waitMs);
  }

  #setTimer(waitMs: number): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#dueAt = performance.now() + waitMs;
    this.#timer = setTimeout(this.#checkSafely, Math.min(Math.ceil(waitMs), TIMER_MAX_MS));
  }
}

function side(socket: Socket, bytes: SocketBytes): Side {
  return { socket, bytes, ended: false, finished: false, watched: false, accepted: 0, progressAt: 0 };
}
