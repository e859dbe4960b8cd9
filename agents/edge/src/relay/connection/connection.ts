// The life of one accepted connection: (PROXY header ->) hello -> decide -> dial -> one write of everything received -> copy -> one
// close reason.
//
//   proxy --> hello ------> dialling ------> forwarding ----> closed
//     |         |               |                               ^
//     +---------+---------------+--> discarding (refused) ------+
//
// Invariants:
// - #state alone says what the connection is doing; every event asks it first.
// - #close() is the only way out and runs once: it counts, records, and lets go of both sockets and of everything held for it.
// - Bytes go to the client only as one alert of a refusal, or from the backend; never both.
// - A refusal ends with a FIN and keeps reading for a while, because a reset would take the alert from the client.
// - Whoever leaves the state dialling has the client leave it too (WaitingClient.leave()).
import type { CloseReason, RefusedReason } from "@helloway/routing/close-reason";
import { Dial, type Dialled, type DialFailure, type DialOwner } from "../backend/dial.ts";
import { type Alert, alerts } from "@helloway/routing/alert";
import { type HelloVerdict, type ParsedHello } from "../hello/hello.ts";
import { HelloParser } from "../hello/hello-parser.ts";
import type { ConnectionLimit, HeldLimits } from "../limits/route-limiter.ts";
import { ProxyHeaderParser } from "../proxy-protocol/proxy-header-parser.ts";
import type { BudgetPlace, Undecided } from "../shared/undecided-budget.ts";
import type { OpenTraffic } from "../shared/traffic.ts";
import { type SocketOwner, TcpSocket } from "../socket/tcp-socket.ts";
import { decideRoute } from "../table/decide-route.ts";
import type { ServedBackend, ServedRoute } from "../table/served-route.ts";
import type { Table } from "../table/table.ts";
import type { Accepted } from "./accepted.ts";
import { alertRecord } from "./alert-record.ts";
import { ClientFacts } from "./client-facts.ts";
import { type ConnectionFacts, connectionRecord } from "./connection-record.ts";
import type { ConnectionState } from "./connection-state.ts";
import { Copy, type CopyOwner } from "./copy.ts";
import { type HelloRecord, helloRecord, noHello } from "./hello-record.ts";
import { proxyHeaderFor } from "./proxy-header-for.ts";
import { ReceivedBytes } from "./received-bytes.ts";
import type { RelayCore } from "./relay-core.ts";
import { sourceKey } from "./source.ts";
import { TIMER_MAX_MS } from "./timer-max.ts";
import { WaitingClient, type WaitingClientOwner } from "./waiting-client.ts";

/** How long and how much a refused client may go on sending before the socket is destroyed. */
const DISCARD_MS = 1_000;
const DISCARD_BYTES_MAX = 256 * 1024;

const accepted: ConnectionState = { kind: "accepted" };
const closed: ConnectionState = { kind: "closed" };

export class Connection
  implements Undecided, OpenTraffic, HeldLimits, SocketOwner, DialOwner, WaitingClientOwner, CopyOwner
{
  /** What limits and budgets count it by. */
  source: string;
  routeEntry = -1;
  sourceEntry = -1;
  /** The budget's own. */
  place: BudgetPlace | null = null;
  flushedRx = 0;
  flushedTx = 0;
  readonly #core: RelayCore;
  readonly #accepted: Accepted;
  readonly #client: TcpSocket;
  readonly #acceptedAt = performance.now();
  /** The client's end and the one it connected to: the socket's, or what a PROXY header says. null: ask the socket. */
  #peer: { readonly address: string; readonly port: number };
  #local: { readonly address: string; readonly port: number } | null = null;
  /** Of a PROXY header: they are not the client's. */
  #headerBytes = 0;
  #state: ConnectionState = accepted;
  #isOverLimit = false;
  #timer: NodeJS.Timeout | null = null;
  #hello: HelloRecord = noHello;
  #helloAt: number | null = null;
  #connectedAt: number | null = null;
  #route: ServedRoute | null = null;
  /** Of traffic; -1: not decided. */
  #routeSlot = -1;
  #backend: ServedBackend | null = null;
  #backendSlot = -1;

  constructor(core: RelayCore, connection: Accepted) {
    this.#core = core;
    this.#accepted = connection;
    this.#client = new TcpSocket(connection.handle, this);
    this.#peer = connection.peer;
    // Whose it is, a PROXY header will say: until then those of one proxy are not taken for one source's.
    this.source = connection.proxy ? `connection ${connection.sequence}` : sourceKey(connection.peer.address);
    core.traffic.accept();
    core.sockets.add();
    core.open.add(this);
  }

  /** @param table null: there is none. */
  start(table: Table | null): void {
    try {
      this.#start(table);
    } catch (error) {
      this.bug(error);
    }
  }

  #start(table: Table | null): void {
    const { origin, proxy } = this.#accepted;
    if (origin().kind === "loop") return this.#refuse("loop", null);
    if (proxy?.trusted === false) return this.#refuse("bad_proxy_header", null);
    if (this.#core.sockets.isFull) return this.evict();
    this.#core.budget.add(this);
    // The budget is full of its source's and had to let go of this one first.
    if (this.#state !== accepted) return;
    if (this.#core.draining) return this.#refuse("draining", alerts.internalError);
    if (!table) return this.#refuse("no_table", alerts.internalError);
    if (proxy) this.#state = { kind: "proxy", parser: new ProxyHeaderParser(), taken: 0, table };
    else this.#awaitHello(table);
    this.#timer = setTimeout(timeUp, Math.min(table.settings.helloTimeoutMs, TIMER_MAX_MS), this);
    this.#client.resume();
  }

  #awaitHello(table: Table): void {
    const parser = new HelloParser({ handshakeBytesMax: table.settings.helloBytesMax });
    this.#state = { kind: "hello", parser, received: new ReceivedBytes() };
  }

  read(_socket: TcpSocket, bytes: Uint8Array): void {
    const state = this.#state;
    switch (state.kind) {
      case "hello":
        return this.#helloBytes(state, bytes);
      case "proxy":
        return this.#proxyBytes(state, bytes);
      case "dialling":
        return state.client.push(bytes);
      case "discarding":
        state.left -= bytes.length;
        if (state.left < 0) this.#close(state.reason);
        return;
      case "accepted":
      case "forwarding":
      case "closed":
    }
  }

  #proxyBytes(state: ConnectionState & { kind: "proxy" }, bytes: Uint8Array): void {
    const before = state.taken;
    state.taken += bytes.length;
    this.#headerBytes = state.taken;
    this.#core.budget.grow(this, bytes.length);
    // The budget may just have taken this very connection.
    if (this.#state !== state) return;
    const verdict = state.parser.push(bytes);
    if (verdict.kind === "incomplete") return;
    if (verdict.kind === "bad") return this.#refuse("bad_proxy_header", null);
    this.#headerBytes = verdict.used;
    const { source, destination } = verdict.header;
    this.#core.budget.remove(this);
    if (source !== null) this.#carried(source, destination);
    this.source = sourceKey(this.#peer.address);
    this.#core.budget.add(this);
    // The budget is full of its source's and had to let go of this one first.
    if (this.#state !== state) return;
    this.#awaitHello(state.table);
    const first = bytes.subarray(verdict.used - before);
    if (first.length > 0) this.read(this.#client, first);
  }

  /** The connection is somebody else's, who came through a proxy. */
  #carried(
    source: { address: { text: string }; port: number },
    destination: { address: { text: string }; port: number } | null,
  ): void {
    this.#peer = { address: source.address.text, port: source.port };
    if (destination) this.#local = { address: destination.address.text, port: destination.port };
  }

  #helloBytes(state: ConnectionState & { kind: "hello" }, bytes: Uint8Array): void {
    state.received.append(bytes);
    const verdict = state.parser.push(bytes);
    if (verdict.kind !== "incomplete") return this.#judge(verdict, state.received);
    // What is decided at once holds no memory of the budget.
    this.#core.budget.grow(this, bytes.length);
  }

  #judge(verdict: HelloVerdict & { kind: "hello" | "rejected" }, received: ReceivedBytes): void {
    if (verdict.kind === "rejected") return this.#refuse(verdict.rejection.reason, verdict.rejection.alert);
    const hello = verdict.hello;
    if (this.#core.onClose) this.#hello = helloRecord(hello);
    this.#helloAt = performance.now();
    if (this.#isLoop(received)) return this.#refuse("loop", null);
    const table = this.#core.table();
    if (!table) return this.#refuse("no_table", alerts.internalError);
    const decision = decideRoute(table, new ClientFacts(hello, this.#peer.address, this.#core.countries));
    if (decision.kind === "refused") {
      if (decision.route) this.#decided(decision.route);
      return this.#refuse(decision.reason, decision.alert);
    }
    this.#decided(decision.route);
    if (!this.#admit(decision.route)) return this.#refuse("limited", alerts.internalError);
    this.#dial(decision.route, hello, received);
  }

  #isLoop(received: ReceivedBytes): boolean {
    const origin = this.#accepted.origin();
    return origin.kind === "loop" || (origin.kind === "suspect" && origin.isEcho(received.bytes()));
  }

  /** Whether the route's limits let it in. */
  #admit({ uid, limits }: ServedRoute): boolean {
    if (limits === null) return true;
    const over: ConnectionLimit | null = this.#core.limiter.admit(this, uid, limits, this.source);
    if (over === null) return true;
    if (!limits.enforce) this.#overLimit();
    return !limits.enforce;
  }

  #dial(route: ServedRoute, hello: ParsedHello, received: ReceivedBytes): void {
    const { budget, sockets } = this.#core;
    if (sockets.isFull) return this.#refuse("overloaded", alerts.internalError);
    // Now, because that is short, while the hello may be long and a dial, too.
    const preamble = proxyHeaderFor(route.forwarding.value, hello, {
      source: this.#peer,
      local: () => this.#local ?? this.#accepted.local(),
      uniqueId: () => this.#id(),
      edge: this.#core.edgeName,
    });
    sockets.add();
    budget.remove(this);
    const dial = new Dial(this.#core, route, this.source, this);
    const client = new WaitingClient(this.#client, received, this.#core.dialling, this);
    this.#state = { kind: "dialling", dial, preamble, client };
    client.start();
    dial.start();
  }

  /** Others need the memory, and have not waited for their backend for as long. */
  crowdedOut(): void {
    this.#refuse("overloaded", alerts.internalError);
  }

  attempting(backend: ServedBackend): void {
    const { traffic } = this.#core;
    traffic.attempt(traffic.backend(this.#routeSlot, backend.key));
  }

  attemptFailed(backend: ServedBackend): void {
    const { traffic } = this.#core;
    traffic.attemptFailed(traffic.backend(this.#routeSlot, backend.key));
  }

  undialled(reason: DialFailure, detail: string): void {
    if (this.#core.debug)
      this.#core.log.debug({ conn: this.#id(), route: this.#label(), reason, detail }, "no backend");
    this.#refuse(reason, alerts.internalError);
  }

  dialled(upstream: Dialled): void {
    const state = this.#state;
    const route = this.#route!;
    const { traffic, upstreams } = this.#core;
    this.#connectedAt = performance.now();
    this.#backend = upstream.backend;
    this.#backendSlot = traffic.backend(this.#routeSlot, upstream.backend.key);
    traffic.openBackend(this.#backendSlot, this);
    const socket = new TcpSocket(upstream.handle, this);
    socket.setNoDelay();
    const terms = {
      timeouts: route.forwarding.value.timeouts,
      bytesPerSecond: route.limits?.bytesPerSecond ?? null,
      enforce: route.limits?.enforce ?? true,
    };
    const copy = new Copy(this.#client, socket, terms, this.#acceptedAt, this);
    if (state.kind !== "dialling") throw new Error(`a backend was dialled while ${state.kind}`);
    state.client.leave();
    this.#state = { kind: "forwarding", copy, upstream };
    const received = state.client.bytes();
    // Without the PROXY header: whoever comes back has none, or it was taken off.
    upstreams.said(upstream.slot, received);
    copy.start(state.preamble, received, state.client.ended);
  }

  answered(): void {
    if (this.#state.kind === "forwarding") this.#core.upstreams.answered(this.#state.upstream.slot);
  }

  overBandwidth(): void {
    this.#overLimit();
  }

  /** It counts once, whatever it is over. */
  #overLimit(): void {
    if (this.#isOverLimit) return;
    this.#isOverLimit = true;
    this.#core.traffic.overLimit(this.#routeSlot);
  }

  copyEnded(reason: CloseReason): void {
    this.#close(reason);
  }

  /** The connection is no longer undecided: it counts at its route, or as one without. */
  #decided(route: ServedRoute | null): void {
    this.#clearTimer();
    this.#route = route;
    this.#routeSlot = this.#core.traffic.open(route?.uid ?? null);
  }

  #refuse(reason: RefusedReason, alert: Alert | null): void {
    const state = this.#state;
    if (state.kind === "forwarding" || state.kind === "discarding" || state.kind === "closed") return;
    if (this.#routeSlot === -1) this.#decided(null);
    if (alert === null || this.#client.isClosed) return this.#close(reason);
    this.#state = { kind: "discarding", reason, left: DISCARD_BYTES_MAX, evicted: false };
    if (state.kind === "dialling") {
      state.client.leave();
      state.dial.abort();
      this.#core.sockets.remove();
      this.#core.budget.add(this);
      // The budget is full and had to let go of this one first.
      if (this.#state.kind !== "discarding") return;
    } else this.#core.budget.releaseBytes(this);
    const isGone = this.#client.write(alertRecord(alert)) !== 0;
    if (isGone) return this.#close(reason);
    this.#client.end();
    // It has said its last word: nothing it sends can cost it the alert.
    if (state.kind === "dialling" && state.client.ended) return this.#close(reason);
    this.#client.resume();
    this.#timer = setTimeout(timeUp, DISCARD_MS, this);
  }

  ended(): void {
    const state = this.#state;
    switch (state.kind) {
      case "dialling":
        return state.client.end();
      case "discarding":
        return this.#close(state.reason);
      case "accepted":
      case "proxy":
      case "hello":
        return this.#refuse("client_gone", null);
      case "forwarding":
      case "closed":
    }
  }

  clientReset(): void {
    this.failed();
  }

  failed(): void {
    const state = this.#state;
    if (state.kind === "discarding") this.#close(state.reason);
    else this.#refuse("client_gone", null);
  }

  drained(): void {
    // Only an alert is ever written here.
  }

  finished(): void {
    // Whoever was refused is read until its own FIN, or until the time for it is over.
  }

  /** It took too long: for its hello and what may come before it, or for an end after it was refused. */
  timeUp(): void {
    if (this.#state.kind === "discarding") this.#close(this.#state.reason);
    else this.#refuse("hello_timeout", null);
  }

  /** Makes room at once. */
  evict(): void {
    const before = this.#state;
    if (before.kind === "discarding") return this.#close(before.reason);
    this.#core.budget.remove(this);
    this.#refuse("overloaded", alerts.internalError);
    const refused = this.#state;
    if (refused.kind !== "discarding") return;
    refused.evicted = true;
    this.#core.sockets.remove();
    this.#core.evicted.add(this);
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

  /** Something threw: a defect met by one connection must end that connection only. */
  bug(error: unknown): void {
    this.#core.log.error({ conn: this.#id(), state: this.#state.kind, err: error }, "internal error in a connection");
    if (this.#state.kind === "forwarding") this.#state.copy.abort("internal_error");
    else this.#refuse("internal_error", alerts.internalError);
  }

  #close(reason: CloseReason): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    if (this.#routeSlot === -1) this.#decided(null);
    this.#state = closed;
    const { budget, chooser, evicted, limiter, sockets, traffic, upstreams, onClose } = this.#core;
    this.#clearTimer();
    budget.remove(this);
    limiter.release(this);
    traffic.close(this.#routeSlot, this.#backendSlot, reason, this);
    this.#core.ended(this);
    if (state.kind === "discarding" && state.evicted) evicted.remove(this);
    else sockets.remove();
    if (state.kind === "dialling" || state.kind === "forwarding") sockets.remove();
    if (state.kind === "dialling") {
      state.client.leave();
      state.dial.abort();
    } else if (state.kind === "forwarding") {
      upstreams.remove(state.upstream.slot);
      chooser.closed(state.upstream.load);
    }
    this.#client.close();
    if (onClose) onClose(connectionRecord(this.#facts(reason)));
  }

  #facts(reason: CloseReason): ConnectionFacts {
    return {
      edge: this.#core.edgeName,
      conn: this.#id(),
      listener: this.#accepted.listener,
      src: this.#peer.address,
      sport: this.#peer.port,
      hello: this.#hello,
      route: this.#label(),
      backend: this.#backend?.key ?? null,
      acceptedAt: this.#acceptedAt,
      helloAt: this.#helloAt,
      connectedAt: this.#connectedAt,
      rx: this.rxBytes,
      tx: this.txBytes,
      reason,
    };
  }

  /** Of the route; "-": none. */
  #label(): string {
    return this.#route?.forwarding.value.label ?? "-";
  }

  #id(): string {
    return `${this.#core.idPrefix}${this.#accepted.sequence}`;
  }

  #clearTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Of traffic; -1: not decided. */
  get routeSlot(): number {
    return this.#routeSlot;
  }

  /** Of traffic; -1: none. */
  get backendSlot(): number {
    return this.#backendSlot;
  }

  /** The uid of the route that has let it in; null: none has, or it is over. */
  get admittedTo(): string | null {
    const { kind } = this.#state;
    return kind === "dialling" || kind === "forwarding" ? this.#route!.uid : null;
  }

  /** The backend that has it; null: none has, or it is over. */
  get upstream(): Dialled | null {
    return this.#state.kind === "forwarding" ? this.#state.upstream : null;
  }

  get rxBytes(): number {
    return this.#client.bytesRead - this.#headerBytes;
  }

  get txBytes(): number {
    return this.#client.bytesTaken;
  }
}

function timeUp(connection: Connection): void {
  try {
    connection.timeUp();
  } catch (error) {
    connection.bug(error);
  }
}
