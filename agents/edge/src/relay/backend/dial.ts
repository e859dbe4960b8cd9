// Finding a backend that answers. At most three distinct addresses and ten seconds in all; nothing is written here, so that
// every failure may be followed by another attempt. One Dial ends with exactly one of connected(), failed(), or abort().
//
// A tier is tried before the next. Of three attempts one is left for each further tier: without that, a site whose first tier
// has three backends would never fail over.
import { connect, type Socket } from "node:net";
import type { Address } from "@helloway/routing/address";
import type { AddressPolicy } from "@helloway/routing/address-policy";
import { safely } from "../connection/safely.ts";
import type { BackendCounters } from "../relay.ts";
import type { ServedBackend, ServedRoute } from "../table/served-route.ts";
import type { BackendResolver } from "./backend-resolver.ts";
import { chooseBackends } from "./choose-backends.ts";
import type { UpstreamSocket, UpstreamSockets } from "./upstream-sockets.ts";

const ATTEMPTS_MAX = 3;
const DIAL_MAX_MS = 10_000;
/** Probes of an idle connection to a backend find out that its host is gone. */
const KEEP_ALIVE_MS = 60_000;

export interface DialShared {
  readonly resolver: BackendResolver;
  readonly upstreams: UpstreamSockets;
  /** Today's policy: every resolved address passes it. */
  policy(): AddressPolicy | null;
}

export interface DialOwner {
  /** Gets what a defect throws. */
  bug(error: unknown): void;
  counters(backend: ServedBackend): BackendCounters;
  /** The socket is the owner's from here on; nobody has listened to it but for errors. */
  connected(upstream: Connected): void;
  failed(reason: "no_backend" | "connect_failed" | "connect_timeout", detail: string): void;
}

export interface Connected {
  readonly socket: Socket;
  readonly own: UpstreamSocket | null;
  readonly backend: ServedBackend;
}

interface Attempt {
  readonly socket: Socket;
  readonly backend: ServedBackend;
  readonly timer: NodeJS.Timeout;
}

export class Dial {
  readonly #shared: DialShared;
  readonly #route: ServedRoute;
  readonly #owner: DialOwner;
  readonly #deadline = performance.now() + DIAL_MAX_MS;
  readonly #tried: string[] = [];
  #tier = -1;
  /** Attempts that the current tier may still use, its backends not looked at yet, and further addresses of those that were. */
  #tierLeft = 0;
  #backends: ServedBackend[] = [];
  #spare: { backend: ServedBackend; address: Address }[] = [];
  #attempt: Attempt | null = null;
  #resolveTimer: NodeJS.Timeout | null = null;
  #failure: { reason: "no_backend" | "connect_failed" | "connect_timeout"; detail: string } = {
    reason: "no_backend",
    detail: "no backend has an address that may be dialled",
  };
  #over = false;

  constructor(shared: DialShared, route: ServedRoute, owner: DialOwner) {
    this.#shared = shared;
    this.#route = route;
    this.#owner = owner;
  }

  start(): void {
    this.#next();
  }

  /** The client is gone. */
  abort(): void {
    this.#over = true;
    if (this.#resolveTimer) clearTimeout(this.#resolveTimer);
    const attempt = this.#attempt;
    this.#attempt = null;
    if (!attempt) return;
    clearTimeout(attempt.timer);
    attempt.socket.destroy();
  }

  #next(): void {
    while (!this.#over) {
      if (this.#tried.length >= ATTEMPTS_MAX || performance.now() >= this.#deadline) return this.#fail();
      if (this.#tierLeft > 0) {
        const backend = this.#backends.shift();
        if (backend?.address) {
          if (this.#connect(backend, backend.address)) return;
          continue;
        }
        if (backend) return this.#resolve(backend);
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
    const tier = this.#route.tiers[++this.#tier];
    if (!tier) return false;
    const tiersAfter = this.#route.tiers.length - this.#tier - 1;
    this.#tierLeft = Math.max(1, ATTEMPTS_MAX - this.#tried.length - tiersAfter);
    this.#backends = chooseBackends(tier);
    this.#spare = [];
    return true;
  }

  #resolve(backend: ServedBackend): void {
    const cached = this.#shared.resolver.cached(backend.host);
    if (cached) return this.#resolved(backend, cached);
    const timedOut = this.#safely(() => {
      this.#failure = { reason: "connect_timeout", detail: `${backend.host} was not resolved in time` };
      this.#fail();
    });
    this.#resolveTimer = setTimeout(timedOut, this.#deadline - performance.now());
    const answered = this.#safely((addresses: readonly Address[]) => {
      if (this.#over) return;
      if (this.#resolveTimer) clearTimeout(this.#resolveTimer);
      this.#resolveTimer = null;
      this.#resolved(backend, addresses);
    });
    void this.#shared.resolver.resolve(backend.host).then(answered);
  }

  #resolved(backend: ServedBackend, addresses: readonly Address[]): void {
    const policy = this.#shared.policy();
    const allowed: Address[] = [];
    for (const address of addresses) {
      const verdict = policy?.check(this.#route.team, address, backend.port);
      if (verdict?.allowed) allowed.push(address);
      else if (verdict && this.#tried.length === 0) this.#failure.detail = `${backend.key}: ${verdict.detail}`;
    }
    const turn = allowed.length > 1 ? Math.floor(Math.random() * allowed.length) : 0;
    const [first, ...others] = [...allowed.slice(turn), ...allowed.slice(0, turn)];
    for (const address of others) this.#spare.push({ backend, address });
    if (!first || !this.#connect(backend, first)) this.#next();
  }

  /** False: this address was tried already. */
  #connect(backend: ServedBackend, address: Address): boolean {
    const key = `${address.text} ${backend.port}`;
    if (this.#tried.includes(key)) return false;
    this.#tried.push(key);
    this.#tierLeft--;
    this.#owner.counters(backend).attempts++;
    const socket = connect({
      host: address.text,
      port: backend.port,
      family: address.family,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    let own: UpstreamSocket | null = null;
    // Node begins to connect one tick later; the local port is known, and may come back to us, from then on.
    process.nextTick(() => {
      own = this.#shared.upstreams.add(socket, address.text, backend.port);
    });
    const timeoutMs = Math.min(this.#route.timeouts.connectMs, this.#deadline - performance.now());
    const late = `${key} did not answer in ${Math.round(timeoutMs)} ms`;
    const timer = setTimeout(
      this.#safely(() => this.#failed(socket, "connect_timeout", late)),
      timeoutMs,
    );
    this.#attempt = { socket, backend, timer };
    const failed = this.#safely((error: Error) => this.#failed(socket, "connect_failed", error.message));
    const connected = this.#safely(() => {
      if (this.#attempt?.socket !== socket) return;
      clearTimeout(timer);
      this.#attempt = null;
      this.#over = true;
      this.#owner.connected({ socket, own, backend });
    });
    socket.on("error", failed).once("connect", connected);
    return true;
  }

  #failed(socket: Socket, reason: "connect_failed" | "connect_timeout", detail: string): void {
    const attempt = this.#attempt;
    if (attempt?.socket !== socket) return;
    clearTimeout(attempt.timer);
    this.#attempt = null;
    socket.destroy();
    this.#owner.counters(attempt.backend).failures++;
    this.#failure = { reason, detail };
    this.#next();
  }

  #safely<A extends unknown[]>(step: (...args: A) => void): (...args: A) => void {
    return safely((error) => this.#owner.bug(error), step);
  }

  #fail(): void {
    this.#over = true;
    this.#owner.failed(this.#failure.reason, this.#failure.detail);
  }
}
