// Finding a backend that answers. At most three distinct addresses and ten seconds in all; nothing is written here, so that
// every failure may be followed by another attempt. One Dial ends with exactly one of dialled(), undialled(), or abort().
//
// A table update holds for what is not connected yet: who is removed from the route, or not allowed any more, is not dialled, and gets
// nothing if it was being dialled; what is left of the attempts goes to the route as it is then. A route that is gone, or that says
// another PROXY header than was made for this connection, has no backend for it.
//
// A tier is tried before the next. Of three attempts one is left for the tiers after it: without that, a site whose first tier has
// three backends would never fail over. Whoever could not be reached a moment ago comes after the others: in its tier, and a tier of
// such backends alone after the other tiers.
import { constants } from "node:os";
import type { Address } from "@helloway/routing/address";
import type { AddressPolicy } from "@helloway/routing/address-policy";
import { systemError } from "../socket/listen-tcp.ts";
import type { SocketName, TcpHandle } from "../socket/tcp-binding.ts";
import { connectTcp } from "../socket/tcp-socket.ts";
import type { RouteForwarding, ServedBackend, ServedRoute, Tier } from "../table/served-route.ts";
import type { BackendResolver } from "./backend-resolver.ts";
import type { BackendChooser } from "./backend-chooser.ts";
import type { FailedAddresses } from "./failed-addresses.ts";
import type { UpstreamSockets } from "./upstream-sockets.ts";

const ATTEMPTS_MAX = 3;
const DIAL_MAX_MS = 10_000;
/** How long a name is waited for while there is somebody else to try. */
const RESOLVE_MAX_MS = 2_500;
/** Whoever has not answered for as long is taken for one that does not, should its client leave. */
const SLOW_MS = 2_500;

/** What this machine lacks, whichever backend is dialled: no backend is to blame, and the next attempt would come to the same. */
const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno;
const ownShortages: readonly number[] = [EMFILE, ENFILE, ENOBUFS, ENOMEM];

/** Filled in by each getsockname(): a fresh object costs it more than the system call does. */
const local: SocketName = { address: "", family: "", port: 0 };

export interface DialShared {
  readonly resolver: BackendResolver;
  readonly chooser: BackendChooser;
  readonly failed: FailedAddresses;
  readonly upstreams: UpstreamSockets;
  /** Today's policy: every resolved address passes it, and every address after an update. */
  policy(): AddressPolicy | null;
  /** A route as it is served now; null: it is not. */
  route(uid: string): ServedRoute | null;
  /** How many updates have changed what is served: equal numbers, nothing has changed. */
  changes(): number;
}

export type DialFailure = "no_backend" | "connect_failed" | "connect_timeout" | "overloaded";

export interface DialOwner {
  /** Gets what a defect throws. */
  bug(error: unknown): void;
  /** An attempt begins. */
  attempting(backend: ServedBackend): void;
  /** An attempt failed. */
  attemptFailed(backend: ServedBackend): void;
  /** The socket is the owner's from here on. */
  dialled(upstream: Dialled): void;
  undialled(reason: DialFailure, detail: string): void;
}

/** A backend that answered, and what is to be given back when its socket is closed. */
export interface Dialled {
  readonly handle: TcpHandle;
  readonly backend: ServedBackend;
  /** Of UpstreamSockets. */
  readonly slot: number;
  /** Of BackendChooser. */
  load: number;
}

interface Attempt {
  handle: TcpHandle;
  readonly backend: ServedBackend;
  readonly address: Address;
  load: number;
  slot: number;
  timer: NodeJS.Timeout | null;
  readonly what: string;
  /** Of FailedAddresses. */
  readonly place: string;
  readonly startedAt: number;
}

export class Dial {
  readonly #shared: DialShared;
  /** As it was when it was last looked at, after as many changes. */
  #route: ServedRoute;
  #changes: number;
  readonly #source: string;
  readonly #owner: DialOwner;
  readonly #deadline = performance.now() + DIAL_MAX_MS;
  readonly #tried: string[] = [];
  /** In the order in which they are tried. */
  #tiers: readonly Tier[] | null = null;
  #tierIndex = -1;
  #tier: Tier | null = null;
  /** Attempts that the current tier may still use, its backends in order, the next of them, and further addresses of those before. */
  #tierLeft = 0;
  #backends: readonly ServedBackend[] = [];
  #nextBackend = 0;
  #spare: { backend: ServedBackend; address: Address }[] = [];
  #attempt: Attempt | null = null;
  #resolveTimer: NodeJS.Timeout | null = null;
  #reason: DialFailure = "no_backend";
  #detail = "no backend has an address that may be dialled";
  #over = false;

  /** @param source sourceKey() of the client. */
  constructor(shared: DialShared, route: ServedRoute, source: string, owner: DialOwner) {
    this.#shared = shared;
    this.#route = route;
    this.#changes = shared.changes();
    this.#source = source;
    this.#owner = owner;
  }

  start(): void {
    this.#next();
  }

  /** The client is gone. */
  abort(): void {
    this.#over = true;
    if (this.#resolveTimer) clearTimeout(this.#resolveTimer);
    this.#resolveTimer = null;
    const attempt = this.#attempt;
    if (!attempt) return;
    // Clients that are less patient than their route must not be all that ever comes to a dead backend.
    if (performance.now() - attempt.startedAt >= SLOW_MS) this.#shared.failed.failed(attempt.place);
    this.#giveUp(attempt);
  }

  #next(): void {
    while (!this.#over) {
      const tried = this.#tried.length;
      // Timers know whole milliseconds: the last attempt may end a part of one early.
      if (tried >= ATTEMPTS_MAX || (tried > 0 && this.#deadline - performance.now() < 1)) return this.#fail();
      if (this.#shared.changes() !== this.#changes && !this.#catchUp()) return this.#fail();
      if (this.#tierLeft > 0) {
        const backend = this.#backends[this.#nextBackend];
        if (backend) {
          this.#nextBackend++;
          if (!backend.address) return this.#resolve(backend);
          if (this.#connect(backend, backend.address)) return;
          continue;
        }
        const spare = this.#spare.shift();
        if (spare) {
          if (this.#connect(spare.backend, spare.address)) return;
          continue;
        }
      }
      if (!this.#nextTier()) return this.#fail();
    }
  }

  #nextTier(): boolean {
    const forwarding = this.#route.forwarding.value;
    this.#tiers ??= this.#failedLast(forwarding.tiers, (tier) => tier.backends.every((each) => this.#hasFailed(each)));
    const tier = this.#tiers[++this.#tierIndex];
    if (!tier) return false;
    const forOthers = this.#tierIndex + 1 < this.#tiers.length ? 1 : 0;
    this.#tierLeft = Math.max(1, ATTEMPTS_MAX - this.#tried.length - forOthers);
    this.#tier = tier;
    const order = this.#shared.chooser.order(forwarding, tier, this.#source);
    this.#backends = this.#failedLast(order, (backend) => this.#hasFailed(backend));
    this.#nextBackend = 0;
    this.#spare = [];
    return true;
  }

  /** The same list where there is nothing to be moved. */
  #failedLast<T>(list: readonly T[], hasFailed: (each: T) => boolean): readonly T[] {
    if (list.length === 1 || this.#shared.failed.isEmpty) return list;
    const failed = list.filter(hasFailed);
    return failed.length === 0 ? list : [...list.filter((each) => !failed.includes(each)), ...failed];
  }

  /** A name has when each of its addresses has, as far as they are known. */
  #hasFailed({ address, host, port }: ServedBackend): boolean {
    const { failed, resolver } = this.#shared;
    if (address) return failed.has(this.#place(address, port));
    const policy = this.#shared.policy();
    const dialled = resolver.last(host).filter((each) => policy?.check(this.#route.team, each, port).allowed);
    return dialled.length > 0 && dialled.every((each) => failed.has(this.#place(each, port)));
  }

  /** An address as this route has found it: how long it may take to answer is the route's. */
  #place({ text }: Address, port: number): string {
    return `${this.#route.uid} ${text} ${port}`;
  }

  /** Begins with the route as it is now; false: it has nobody for this connection. */
  #catchUp(): boolean {
    const { uid, forwarding: before } = this.#route;
    const route = this.#shared.route(uid);
    this.#changes = this.#shared.changes();
    if (route === this.#route) return true;
    if (!route || !hasSameHeader(before.value, route.forwarding.value)) {
      this.#reason = "no_backend";
      this.#detail = "the route was changed or removed while a backend was looked for";
      return false;
    }
    this.#route = route;
    this.#tiers = null;
    this.#tierIndex = -1;
    this.#tierLeft = 0;
    return true;
  }

  /** Whether a backend that was chosen before the last change may still have the connection; it is a load of the route as it is now. */
  #isServed(attempt: Attempt): boolean {
    const { backend, address } = attempt;
    const route = this.#shared.route(this.#route.uid);
    if (!route || !this.#shared.policy()?.check(route.team, address, backend.port).allowed) return false;
    const { value } = route.forwarding;
    if (!hasSameHeader(this.#route.forwarding.value, value)) return false;
    if (!value.tiers.some(({ backends }) => backends.some(({ key }) => key === backend.key))) return false;
    if (attempt.load === -1) attempt.load = this.#shared.chooser.openedBefore(value, backend.key);
    return true;
  }

  #resolve(backend: ServedBackend): void {
    const cached = this.#shared.resolver.cached(backend.host);
    if (cached) return this.#resolved(backend, cached);
    const leftMs = this.#deadline - performance.now();
    const timedOut = this.#safely(() => {
      this.#resolveTimer = null;
      this.#reason = "connect_timeout";
      this.#detail = `${backend.host} was not resolved in time`;
      if (performance.now() >= this.#deadline) this.#fail();
      else this.#next();
    });
    const timer = setTimeout(timedOut, this.#hasOthers() ? Math.min(RESOLVE_MAX_MS, leftMs) : leftMs);
    this.#resolveTimer = timer;
    const answered = this.#safely((addresses: readonly Address[]) => {
      if (this.#resolveTimer !== timer) return;
      clearTimeout(timer);
      this.#resolveTimer = null;
      this.#resolved(backend, addresses);
    });
    void this.#shared.resolver.resolve(backend.host).then(answered);
  }

  /** Whether there is anybody to try after the one that was taken last. */
  #hasOthers(): boolean {
    const isLastTier = this.#tierIndex + 1 >= (this.#tiers?.length ?? 0);
    return this.#nextBackend < this.#backends.length || this.#spare.length > 0 || !isLastTier;
  }

  #resolved(backend: ServedBackend, addresses: readonly Address[]): void {
    if (this.#shared.changes() !== this.#changes && this.#shared.route(this.#route.uid) !== this.#route) {
      return this.#next();
    }
    const policy = this.#shared.policy();
    const allowed: Address[] = [];
    for (const address of addresses) {
      const verdict = policy?.check(this.#route.team, address, backend.port);
      if (verdict?.allowed) allowed.push(address);
      else if (verdict && this.#tried.length === 0) this.#detail = `${backend.key}: ${verdict.detail}`;
    }
    const turn = allowed.length > 1 ? Math.floor(Math.random() * allowed.length) : 0;
    const inTurn = [...allowed.slice(turn), ...allowed.slice(0, turn)];
    const [first, ...others] = this.#failedLast(inTurn, (each) =>
      this.#shared.failed.has(this.#place(each, backend.port)),
    );
    for (const address of others) this.#spare.push({ backend, address });
    if (!first || !this.#connect(backend, first)) this.#next();
  }

  /** False: this address was tried already, or fails at once: another may be tried. */
  #connect(backend: ServedBackend, address: Address): boolean {
    const what = `${address.text} ${backend.port}`;
    if (this.#tried.includes(what)) return false;
    this.#tried.push(what);
    this.#tierLeft--;
    const place = this.#place(address, backend.port);
    this.#shared.failed.trying(place);
    const load = this.#shared.chooser.opened(this.#route.forwarding.value, this.#tier!, backend);
    const target = { address: address.text, family: address.family, port: backend.port };
    const { handle, error } = connectTcp(target, (status) => this.#completed(attempt, status));
    const attempt: Attempt = {
      handle,
      backend,
      address,
      load,
      slot: -1,
      timer: null,
      what,
      place,
      startedAt: performance.now(),
    };
    if (ownShortages.includes(-error)) {
      this.#giveUp(attempt);
      this.#reason = "overloaded";
      this.#detail = describe(error, what);
      this.#fail();
      return true;
    }
    this.#owner.attempting(backend);
    if (error !== 0) {
      this.#attemptFailed(attempt, "connect_failed", describe(error, what));
      return false;
    }
    if (handle.getsockname(local) === 0) {
      // Where nobody listens, the kernel may give a connection to this host the very port that it is to reach: connected to itself.
      if (local.port === backend.port && local.address === address.text) {
        this.#attemptFailed(attempt, "connect_failed", `nobody listens on ${what}`);
        return false;
      }
      // The local port may come back to us from now on.
      attempt.slot = this.#shared.upstreams.add(local.address ?? "", local.port ?? 0, address.text, backend.port);
    }
    const timeoutMs = Math.min(this.#route.forwarding.value.timeouts.connectMs, this.#deadline - performance.now());
    attempt.timer = setTimeout(timedOut, timeoutMs, this, attempt, timeoutMs);
    this.#attempt = attempt;
    return true;
  }

  #completed(attempt: Attempt, status: number): void {
    if (this.#attempt !== attempt) return;
    try {
      if (attempt.timer) clearTimeout(attempt.timer);
      if (status < 0) {
        this.#attempt = null;
        this.#attemptFailed(attempt, "connect_failed", describe(status, attempt.what));
        return this.#next();
      }
      this.#attempt = null;
      if (this.#shared.changes() !== this.#changes && !this.#isServed(attempt)) {
        this.#attemptFailed(attempt, "no_backend", `${attempt.what} was taken from the route while it was dialled`);
        return this.#next();
      }
      this.#over = true;
      this.#shared.failed.answered(attempt.place);
      this.#owner.dialled(attempt);
    } catch (error) {
      this.#owner.bug(error);
    }
  }

  /** The current attempt has taken too long. */
  timedOut(attempt: Attempt, timeoutMs: number): void {
    if (this.#attempt !== attempt) return;
    this.#attempt = null;
    const isWhole = timeoutMs >= this.#route.forwarding.value.timeouts.connectMs;
    const detail = `${attempt.what} did not answer in ${Math.round(timeoutMs)} ms`;
    this.#attemptFailed(attempt, "connect_timeout", detail, isWhole);
    this.#next();
  }

  /** For the timer's sake. */
  bug(error: unknown): void {
    this.#owner.bug(error);
  }

  /** @param isWhole a timeout was the route's, not what was left of the dial's time. */
  #attemptFailed(attempt: Attempt, reason: DialFailure, detail: string, isWhole = false): void {
    this.#giveUp(attempt);
    if (reason === "connect_failed" || isWhole) this.#shared.failed.failed(attempt.place);
    this.#owner.attemptFailed(attempt.backend);
    this.#reason = reason;
    this.#detail = detail;
  }

  #giveUp(attempt: Attempt): void {
    this.#attempt = null;
    if (attempt.timer) clearTimeout(attempt.timer);
    attempt.handle.close();
    this.#shared.upstreams.remove(attempt.slot);
    this.#shared.chooser.closed(attempt.load);
  }

  #safely<A extends unknown[]>(step: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      try {
        step(...args);
      } catch (error) {
        this.#owner.bug(error);
      }
    };
  }

  #fail(): void {
    this.#over = true;
    this.#owner.undialled(this.#reason, this.#detail);
  }
}

/** Whether a connection begins with the same PROXY header. */
function hasSameHeader(one: RouteForwarding, other: RouteForwarding): boolean {
  return (
    one.proxyProtocol === other.proxyProtocol && one.proxyTlvs.toSorted().join() === other.proxyTlvs.toSorted().join()
  );
}

function timedOut(dial: Dial, attempt: Attempt, timeoutMs: number): void {
  try {
    dial.timedOut(attempt, timeoutMs);
  } catch (error) {
    dial.bug(error);
  }
}

function describe(error: number, what: string): string {
  const { code, message } = systemError(error);
  return `${code}: ${message} ${what}`;
}
