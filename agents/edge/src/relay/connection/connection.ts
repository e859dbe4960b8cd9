// The life of one accepted connection: hello -> decide -> dial -> one write of everything received -> copy -> one close reason.
//
//   hello ------> dialling ------> forwarding ----> closed
//     |               |                               ^
//     +---------------+--> discarding (refused) ------+
//
// Invariants:
// - #state alone says what the connection is doing; every event asks it first.
// - #close() is the only way out and runs once: it counts, records, and lets go of both sockets.
// - Bytes go to the client only as one alert of a refusal, or from the backend; never both.
// - A refusal ends with a FIN and keeps reading for a while, because a reset would take the alert from the client.
import type { Socket } from "node:net";
import type { CloseReason, RefusedReason } from "@helloway/routing/close-reason";
import { type Connected, Dial } from "../backend/dial.ts";
import type { Acceptance } from "../backend/upstream-sockets.ts";
import { type Alert, alerts, type HelloVerdict, type ParsedHello } from "../hello/hello.ts";
import { HelloParser } from "../hello/hello-parser.ts";
import type { BackendCounters, RouteCounters } from "../relay.ts";
import { decideRoute } from "../table/decide-route.ts";
import type { ServedRoute } from "../table/served-route.ts";
import type { Table } from "../table/table.ts";
import { NO_ROUTE, type OpenTraffic } from "../traffic.ts";
import { type ConnectionFacts, connectionRecord } from "./connection-record.ts";
import { Copy } from "./copy.ts";
import type { RelayCore } from "./relay-core.ts";
import { safely } from "./safely.ts";
import { ReceivedBytes } from "./received-bytes.ts";
import { SocketBytes } from "./socket-bytes.ts";
import { sourceKey } from "./source.ts";
import { TIMER_MAX_MS } from "./timer-max.ts";
import type { Undecided } from "./undecided-budget.ts";

/** How long and how much a refused client may go on sending before the socket is destroyed. */
const DISCARD_MS = 1_000;
const DISCARD_BYTES_MAX = 256 * 1024;
/** While a backend is dialled the client is read up to here; with what Node reads ahead it stays within 256 KiB. */
const DIALLING_BYTES_MAX = 64 * 1024;

type State =
  /** Nothing is decided, nothing was read. */
  | { kind: "accepted" }
  /** Bytes of the hello are coming in. */
  | { kind: "hello"; parser: HelloParser; received: ReceivedBytes }
  /** The route is decided; what the client goes on sending is kept for the backend. */
  | { kind: "dialling"; dial: Dial; received: ReceivedBytes; ended: boolean }
  /** A backend has everything received; also while our own cut is flushed. */
  | { kind: "forwarding"; copy: Copy }
  /** Refused; the alert and a FIN are on their way. */
  | { kind: "discarding"; reason: RefusedReason; left: number }
  | { kind: "closed" };

export interface Accepted {
  readonly socket: Socket;
  /** 1, 2, 3 ... within the boot. */
  readonly sequence: number;
  /** As logged. */
  readonly listener: string;
  readonly source: string;
  readonly sourcePort: number;
  /** Whether it is one of our own upstream sockets. */
  readonly origin: Acceptance;
}

export class Connection implements Undecided, OpenTraffic {
  readonly source: string;
  readonly #core: RelayCore;
  readonly #accepted: Accepted;
  readonly #client: Socket;
  readonly #bytes: SocketBytes;
  readonly #acceptedAt = performance.now();
  readonly #bug = (error: unknown): void => this.#failedByBug(error);
  #state: State = { kind: "accepted" };
  #timer: NodeJS.Timeout | null = null;
  #hello: ParsedHello | null = null;
  #helloAt: number | null = null;
  #connectedAt: number | null = null;
  #route: ServedRoute | null = null;
  /** null: not decided. */
  #counters: RouteCounters | null = null;
  #backend: { key: string; counters: BackendCounters } | null = null;

  constructor(core: RelayCore, accepted: Accepted) {
    this.#core = core;
    this.#accepted = accepted;
    this.#client = accepted.socket;
    this.#bytes = new SocketBytes(accepted.socket);
    this.source = sourceKey(accepted.source);
    core.traffic.accept();
    core.open.add(this);
    accepted.socket
      .on(
        "error",
        safely(this.#bug, (error: Error) => this.#clientFailed(error)),
      )
      .on(
        "data",
        safely(this.#bug, (chunk: Buffer) => this.#clientData(chunk)),
      )
      .on(
        "end",
        safely(this.#bug, () => this.#clientEnded()),
      );
  }

  /** @param table null: there is none. */
  start(table: Table | null): void {
    safely(this.#bug, () => this.#start(table))();
  }

  #start(table: Table | null): void {
    const { origin } = this.#accepted;
    if (origin.kind === "loop") return this.#refuse("loop", null);
    this.#core.budget.add(this);
    if (this.#core.draining) return this.#refuse("draining", alerts.internalError);
    if (!table) return this.#refuse("no_table", alerts.internalError);
    const { helloTimeoutMs, helloBytesMax } = table.settings;
    this.#state = {
      kind: "hello",
      parser: new HelloParser({ handshakeBytesMax: helloBytesMax }),
      received: new ReceivedBytes(),
    };
    this.#setTimer(() => this.#refuse("hello_timeout", null), helloTimeoutMs);
  }

  #clientData(chunk: Buffer): void {
    const state = this.#state;
    switch (state.kind) {
      case "forwarding":
        return state.copy.clientData(chunk);
      case "hello":
        state.received.append(chunk);
        this.#core.budget.grow(this, chunk.length);
        // The budget may just have taken this very connection.
        if (this.#state === state) this.#judge(state.parser.push(chunk), state.received);
        return;
      case "dialling":
        state.received.append(chunk);
        if (state.received.length >= DIALLING_BYTES_MAX) this.#client.pause();
        return;
      case "discarding":
        state.left -= chunk.length;
        if (state.left < 0) this.#close(state.reason);
        return;
      case "accepted":
      case "closed":
    }
  }

  #judge(verdict: HelloVerdict, received: ReceivedBytes): void {
    if (verdict.kind === "incomplete") return;
    if (verdict.kind === "rejected") return this.#refuse(verdict.rejection.reason, verdict.rejection.alert);
    const hello = verdict.hello;
    this.#hello = hello;
    this.#helloAt = performance.now();
    const { origin } = this.#accepted;
    if (origin.kind === "suspect" && origin.upstream.isEcho(received.bytes())) return this.#refuse("loop", null);
    const table = this.#core.table();
    if (!table) return this.#refuse("no_table", alerts.internalError);
    const decision = decideRoute(table, hello);
    if (decision.kind === "refused") return this.#refuse(decision.reason, decision.alert);
    this.#dial(decision.route, received);
  }

  #dial(route: ServedRoute, received: ReceivedBytes): void {
    this.#decided(route);
    this.#core.budget.remove(this);
    const counters = this.#counters!;
    const dial = new Dial(this.#core, route, {
      bug: this.#bug,
      counters: (backend) => this.#core.traffic.backend(counters, backend.key),
      connected: (connected) => this.#forward(connected),
      failed: (reason, detail) => {
        this.#core.log.debug({ conn: this.#id(), route: route.label, reason, detail }, "no backend");
        this.#refuse(reason, alerts.internalError);
      },
    });
    this.#state = { kind: "dialling", dial, received, ended: false };
    dial.start();
  }

  #forward({ socket, own, backend }: Connected): void {
    const state = this.#state;
    if (state.kind !== "dialling") {
      socket.destroy();
      return;
    }
    this.#connectedAt = performance.now();
    const counters = this.#core.traffic.backend(this.#counters!, backend.key);
    counters.opened++;
    this.#backend = { key: backend.key, counters };
    const received = state.received.bytes();
    own?.said(received);
    const client = { socket: this.#client, bytes: this.#bytes };
    const upstream = { socket, bytes: new SocketBytes(socket) };
    const onEnd = (reason: CloseReason): void => this.#close(reason);
    const copy = new Copy(client, upstream, this.#route!.timeouts, this.#acceptedAt, onEnd, this.#bug);
    this.#state = { kind: "forwarding", copy };
    copy.start(received, state.ended);
  }

  /** The connection is no longer undecided: it counts at its route, or as one without. */
  #decided(route: ServedRoute | null): void {
    this.#clearTimer();
    this.#route = route;
    this.#counters = this.#core.traffic.open(route?.uid ?? NO_ROUTE);
  }

  #refuse(reason: RefusedReason, alert: Alert | null): void {
    const state = this.#state;
    if (state.kind === "forwarding" || state.kind === "discarding" || state.kind === "closed") return;
    if (!this.#counters) this.#decided(null);
    if (alert === null || this.#client.destroyed) return this.#close(reason);
    this.#state = { kind: "discarding", reason, left: DISCARD_BYTES_MAX };
    if (state.kind === "dialling") {
      state.dial.abort();
      this.#core.budget.add(this);
    } else this.#core.budget.releaseBytes(this);
    this.#bytes.end(alertRecord(alert));
    if (this.#client.readableEnded)
      this.#client.once(
        "finish",
        safely(this.#bug, () => this.#close(reason)),
      );
    this.#client.resume();
    this.#setTimer(() => this.#close(reason), DISCARD_MS);
  }

  #clientEnded(): void {
    const state = this.#state;
    switch (state.kind) {
      case "forwarding":
        return state.copy.clientEnded();
      case "dialling":
        state.ended = true;
        return;
      case "discarding":
        return this.#close(state.reason);
      case "accepted":
      case "hello":
        return this.#refuse("client_gone", null);
      case "closed":
    }
  }

  #clientFailed(error: NodeJS.ErrnoException): void {
    this.#bytes.fail(error);
    const state = this.#state;
    if (state.kind === "forwarding") state.copy.clientFailed(error);
    else if (state.kind === "discarding") this.#close(state.reason);
    else this.#refuse("client_gone", null);
  }

  /** Makes room in the budget at once: the alert goes out, but nobody waits for it to be read. */
  evict(): void {
    if (this.#state.kind === "discarding") return this.#close(this.#state.reason);
    this.#bytes.end(alertRecord(alerts.internalError));
    this.#close("overloaded");
  }

  /** Cuts it if a backend has it and its route is this one (null: any). Whether it was cut by this call. */
  cut(routeUid: string | null): boolean {
    if (this.#state.kind !== "forwarding") return false;
    if (routeUid !== null && this.#route?.uid !== routeUid) return false;
    return this.#state.copy.cut("cut");
  }

  /** Drain's turn to end it. */
  drain(): void {
    if (this.#state.kind === "forwarding") this.#state.copy.cut("drained");
    else this.#refuse("draining", alerts.internalError);
  }

  /** Ends it at once, without waiting for anything. */
  abort(): void {
    const state = this.#state;
    if (state.kind === "forwarding") state.copy.abort("drained");
    else this.#close(state.kind === "discarding" ? state.reason : "draining");
  }

  #failedByBug(error: unknown): void {
    const conn = this.#id();
    this.#core.log.error({ conn, state: this.#state.kind, err: error }, "internal error in a connection");
    if (this.#state.kind === "forwarding") this.#state.copy.abort("internal_error");
    else this.#refuse("internal_error", alerts.internalError);
  }

  #close(reason: CloseReason): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    this.#state = { kind: "closed" };
    if (!this.#counters) this.#decided(null);
    this.#clearTimer();
    this.#core.budget.remove(this);
    this.#bytes.sample();
    this.#core.traffic.close(this.#counters!, this, reason);
    this.#core.ended(this);
    if (state.kind === "dialling") state.dial.abort();
    // The sockets of a copy are its own to end.
    if (state.kind !== "forwarding") this.#client.destroy();
    // It may run within a step of another connection, which must not end by what this throws.
    safely(this.#bug, () => this.#core.onClose?.(connectionRecord(this.#facts(reason))))();
  }

  #facts(reason: CloseReason): ConnectionFacts {
    return {
      conn: this.#id(),
      listener: this.#accepted.listener,
      src: this.#accepted.source,
      sport: this.#accepted.sourcePort,
      hello: this.#hello,
      route: this.#route?.label ?? NO_ROUTE,
      backend: this.#backend?.key ?? null,
      acceptedAt: this.#acceptedAt,
      helloAt: this.#helloAt,
      connectedAt: this.#connectedAt,
      rx: this.rxBytes,
      tx: this.txBytes,
      reason,
    };
  }

  #id(): string {
    return `${this.#core.bootId}-${this.#accepted.sequence}`;
  }

  #setTimer(step: () => void, ms: number): void {
    this.#timer = setTimeout(safely(this.#bug, step), Math.min(ms, TIMER_MAX_MS));
  }

  #clearTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  get route(): RouteCounters | null {
    return this.#counters;
  }

  get backend(): BackendCounters | null {
    return this.#backend?.counters ?? null;
  }

  get rxBytes(): number {
    return this.#bytes.read;
  }

  get txBytes(): number {
    return this.#bytes.accepted;
  }
}

/** RFC 9846, section 6: a fatal alert in a record of version 3.3. */
function alertRecord(alert: Alert): Uint8Array {
  return Uint8Array.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert);
}
