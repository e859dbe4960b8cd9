// The main thread's view of what all workers counted, the dead ones included. It reads while they count on, without a lock:
// traffic-slots.ts says in which order, and why that fits together. Every number but the gauge only ever grows, until forget() takes a
// route or a backend away as a whole.
import { isDeepStrictEqual } from "node:util";
import { type CloseReason, closeReasons } from "@helloway/routing/close-reason";
import type { BackendCounters, Counters, ForgottenCounters, RouteCounters } from "../relay.ts";
import { NO_ROUTE } from "./traffic.ts";
import {
  ACCEPTED,
  BACKEND_ATTEMPTS,
  BACKEND_CLOSED,
  BACKEND_FAILURES,
  BACKEND_OPENED,
  BACKEND_RX,
  BACKEND_TX,
  type LeftSlots,
  MemoryOrder,
  pageOf,
  placeIn,
  ROUTE_CLOSED,
  ROUTE_OPENED,
  ROUTE_OVER_LIMIT,
  ROUTE_RX,
  ROUTE_TX,
  type TrafficAnnouncement,
} from "./traffic-slots.ts";

interface WorkerRoute {
  readonly uid: string;
  readonly slot: number;
  /** Keys by slot. While it lets go of a backend and dials it again, two are of one key. */
  readonly backends: Map<number, string>;
}

interface WorkerPages {
  readonly pages: Float64Array[];
  readonly memory: MemoryOrder;
  /** By slot. While it lets go of a route and serves it again, two are of one uid. */
  readonly routes: Map<number, WorkerRoute>;
  /** Connections that it opened at routes which it has let go of. */
  openedBefore: number;
}

export class TrafficReader {
  readonly #memory = new MemoryOrder();
  readonly #workers = new Map<number, WorkerPages>();
  /** What workers counted that are gone, or at routes and backends that they have let go of; nothing in here is open. */
  readonly #gone: Counters = { accepted: 0, undecided: 0, routes: new Map() };

  /** @param worker a number that no other thread ever has, its replacement included. */
  announced(worker: number, announcement: TrafficAnnouncement): void {
    const known = this.#workers.get(worker);
    if ("page" in announcement) {
      const page = new Float64Array(announcement.page);
      if (known) known.pages.push(page);
      else this.#workers.set(worker, { pages: [page], memory: this.#memory, routes: new Map(), openedBefore: 0 });
      return;
    }
    const { slot } = announcement;
    if ("uid" in announcement) known?.routes.set(slot, { uid: announcement.uid, slot, backends: new Map() });
    else known?.routes.get(announcement.route)?.backends.set(slot, announcement.backend);
  }

  /** Everything up to now, but of bytes what was flushed. */
  counters(): Counters {
    const sums: Counters = { accepted: 0, undecided: 0, routes: new Map() };
    addCounters(sums, this.#gone);
    for (const worker of this.#workers.values()) addCounters(sums, read(worker));
    return sums;
  }

  /** A worker has let go of these, by Traffic.letGo(). The slots that it may free. */
  letGo(worker: number, { routes, backends }: LeftSlots): number[] {
    const known = this.#workers.get(worker);
    if (!known) return [];
    for (const [slot, left] of backends) {
      const route = known.routes.get(slot);
      if (route) this.#letGoBackends(known, route, left);
    }
    for (const slot of routes) {
      const route = known.routes.get(slot);
      if (!route) continue;
      const counters = readRoute(known, route);
      known.openedBefore += counters.opened;
      known.routes.delete(slot);
      addRoute(this.#gone, route.uid, counters);
    }
    return [...routes, ...[...backends.values()].flat()];
  }

  #letGoBackends(worker: WorkerPages, { uid, backends }: WorkerRoute, slots: readonly number[]): void {
    const gone = routeOf(this.#gone, uid);
    for (const slot of slots) {
      const key = backends.get(slot);
      if (key === undefined) continue;
      addBackendSlot(worker, slot, backendOf(gone, key));
      backends.delete(slot);
    }
  }

  /** As Relay.forget(). What it takes away is exactly what the caller has kept, whatever workers count there from now on. */
  forget(kept: Counters): ForgottenCounters {
    const forgotten: ForgottenCounters = { routes: [], backends: new Map() };
    for (const [uid, gone] of this.#gone.routes) {
      const told = kept.routes.get(uid);
      if (!told) continue;
      if (uid !== NO_ROUTE && isDeepStrictEqual(told, gone)) {
        this.#gone.routes.delete(uid);
        forgotten.routes.push(uid);
        continue;
      }
      const { backends } = gone;
      const keys = [...backends.keys()].filter((key) => isSame(told.backends.get(key), backends.get(key)!));
      for (const key of keys) backends.delete(key);
      if (keys.length > 0) forgotten.backends.set(uid, keys);
    }
    return forgotten;
  }

  /** A worker's thread has ended, and all of its announcements were heard: what it had open is `worker_lost`. How many. */
  workerLost(worker: number): number {
    const pages = this.#workers.get(worker);
    if (!pages) return 0;
    this.#workers.delete(worker);
    const counters = read(pages);
    let lost = 0;
    for (const route of counters.routes.values()) lost += loseOpen(route);
    if (counters.undecided > 0) {
      const refused = routeOf(counters, NO_ROUTE);
      refused.opened += counters.undecided;
      lost += counters.undecided;
      counters.undecided = 0;
      loseOpen(refused);
    }
    addCounters(this.#gone, counters);
    return lost;
  }
}

function loseOpen(route: RouteCounters): number {
  for (const backend of route.backends.values()) backend.closed = backend.opened;
  const open = route.opened - closedOf(route);
  if (open > 0) route.closed.worker_lost = (route.closed.worker_lost ?? 0) + open;
  return open;
}

function closedOf({ closed }: RouteCounters): number {
  return Object.values(closed).reduce((sum, count) => sum + count, 0);
}

function read(worker: WorkerPages): Counters {
  const counters: Counters = { accepted: 0, undecided: 0, routes: new Map() };
  let opened = worker.openedBefore;
  for (const route of worker.routes.values()) {
    const read = readRoute(worker, route);
    opened += read.opened;
    if (counters.routes.has(route.uid)) addRoute(counters, route.uid, read);
    else counters.routes.set(route.uid, read);
  }
  worker.memory.order();
  counters.accepted = worker.pages[0]![ACCEPTED]!;
  counters.undecided = counters.accepted - opened;
  return counters;
}

function addBackendSlot({ pages, memory }: WorkerPages, slot: number, to: BackendCounters): void {
  const page = pages[pageOf(slot)]!;
  const first = placeIn(slot);
  to.closed += page[first + BACKEND_CLOSED]!;
  to.rxBytes += page[first + BACKEND_RX]!;
  to.txBytes += page[first + BACKEND_TX]!;
  memory.order();
  to.opened += page[first + BACKEND_OPENED]!;
  to.failures += page[first + BACKEND_FAILURES]!;
  memory.order();
  to.attempts += page[first + BACKEND_ATTEMPTS]!;
}

function readRoute(worker: WorkerPages, { slot, backends }: WorkerRoute): RouteCounters {
  const { pages, memory } = worker;
  const route = noRouteCounters();
  for (const [each, key] of backends) addBackendSlot(worker, each, backendOf(route, key));
  memory.order();
  const page = pages[pageOf(slot)]!;
  const first = placeIn(slot);
  for (let reason = 0; reason < closeReasons.length; reason++) {
    const count = page[first + ROUTE_CLOSED + reason]!;
    if (count > 0) route.closed[closeReasons[reason]!] = count;
  }
  route.rxBytes = page[first + ROUTE_RX]!;
  route.txBytes = page[first + ROUTE_TX]!;
  route.overLimit = page[first + ROUTE_OVER_LIMIT]!;
  memory.order();
  route.opened = page[first + ROUTE_OPENED]!;
  return route;
}

function addCounters(to: Counters, from: Counters): void {
  to.accepted += from.accepted;
  to.undecided += from.undecided;
  for (const [uid, route] of from.routes) addRoute(to, uid, route);
}

function addRoute(to: Counters, uid: string, route: RouteCounters): void {
  const sums = routeOf(to, uid);
  sums.opened += route.opened;
  sums.rxBytes += route.rxBytes;
  sums.txBytes += route.txBytes;
  sums.overLimit += route.overLimit;
  for (const [reason, count] of Object.entries(route.closed) as [CloseReason, number][]) {
    sums.closed[reason] = (sums.closed[reason] ?? 0) + count;
  }
  for (const [key, backend] of route.backends) addBackend(backendOf(sums, key), backend);
}

function addBackend(to: BackendCounters, from: BackendCounters): void {
  to.attempts += from.attempts;
  to.failures += from.failures;
  to.opened += from.opened;
  to.closed += from.closed;
  to.rxBytes += from.rxBytes;
  to.txBytes += from.txBytes;
}

/** Compared one by one: most differ at the first, and a worker that died leaves very many. */
function isSame(one: BackendCounters | undefined, other: BackendCounters): boolean {
  return (
    one !== undefined &&
    one.attempts === other.attempts &&
    one.failures === other.failures &&
    one.opened === other.opened &&
    one.closed === other.closed &&
    one.rxBytes === other.rxBytes &&
    one.txBytes === other.txBytes
  );
}

function routeOf({ routes }: Counters, uid: string): RouteCounters {
  let route = routes.get(uid);
  if (!route) {
    route = noRouteCounters();
    routes.set(uid, route);
  }
  return route;
}

function noRouteCounters(): RouteCounters {
  return { opened: 0, closed: {}, rxBytes: 0, txBytes: 0, overLimit: 0, backends: new Map() };
}

function backendOf({ backends }: RouteCounters, key: string): BackendCounters {
  let backend = backends.get(key);
  if (!backend) {
    backend = { attempts: 0, failures: 0, opened: 0, closed: 0, rxBytes: 0, txBytes: 0 };
    backends.set(key, backend);
  }
  return backend;
}
