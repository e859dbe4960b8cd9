// What one worker's connections do, by route and backend, since it began. The numbers are in shared memory, where the main thread
// reads them whenever it likes, the worker's death included (traffic-reader.ts); how they stay coherent is in traffic-slots.ts.
//
// Invariants: accepted = undecided + the sum of opened; per key, opened - the sum of closed = open connections of that key; a
// route's numbers are never below the sum of its backends'. Bytes of open connections are in since the last flush.
//
// What is served nowhere and has nothing open does not stay for good: letGo() forgets a route and leaves its slots as they are, the
// reader takes what they hold (TrafficReader.letGo()), and only then free() gives them to others. Should the route be served again
// before that, it has new slots, and the reader adds up both. So it is with idle backends of a route that has counted more of them
// than it can have at once. One that the route still has gets a new slot with its next connection; what is being dialled meanwhile has
// its attempt in the old one, and its failure in the new.
import type { CloseReason } from "@helloway/routing/close-reason";
import {
  ACCEPTED,
  BACKEND_ATTEMPTS,
  BACKEND_CLOSED,
  BACKEND_FAILURES,
  BACKEND_NUMBERS,
  BACKEND_OPENED,
  BACKEND_RX,
  BACKEND_TX,
  closedPlaces,
  FIRST_FREE,
  MemoryOrder,
  PAGE_NUMBERS,
  pageOf,
  placeIn,
  ROUTE_CLOSED,
  ROUTE_NUMBERS,
  ROUTE_OPENED,
  ROUTE_OVER_LIMIT,
  ROUTE_RX,
  ROUTE_TX,
  type LeftSlots,
  type TrafficAnnouncement,
} from "./traffic-slots.ts";

export type { LeftSlots, TrafficAnnouncement } from "./traffic-slots.ts";

/** How many routes one letGo() looks at, and of how many backends of others it lets go: under a millisecond each. */
const LET_GO_MAX = 1_000;

/** Twice what the API lets a route have: more are only counted where backends come and go. */
const BACKENDS_MAX = 128;

/** The key of refusals without a route. */
export const NO_ROUTE = "-";

/** An open connection, as far as counting goes. */
export interface OpenTraffic {
  /** -1: not decided. */
  readonly routeSlot: number;
  /** -1: none. */
  readonly backendSlot: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** How much of them is in the counters: written here alone, 0 in the beginning. */
  flushedRx: number;
  flushedTx: number;
}

export class Traffic {
  readonly #announce: (announcement: TrafficAnnouncement) => void;
  readonly #pages: Float64Array[] = [];
  readonly #memory = new MemoryOrder();
  #end = FIRST_FREE;
  readonly #routes = new Map<string, number>();
  /** By the route's slot. */
  readonly #backends = new Map<number, Map<string, number>>();
  /** Slots of routes with more than BACKENDS_MAX. */
  readonly #crowded = new Set<number>();
  /** Backends' slots by their route's, from letGo() to free(), of routes that go as a whole. */
  readonly #left = new Map<number, readonly number[]>();
  /** All 0. */
  readonly #free: { readonly routes: number[]; readonly backends: number[] } = { routes: [], backends: [] };
  /** Where the next letGo() goes on. */
  #looking = this.#routes.entries();

  /** @param announce has to reach TrafficReader.announced() in order, even when this thread ends right afterwards. */
  constructor(announce: (announcement: TrafficAnnouncement) => void) {
    this.#announce = announce;
    this.#addPage();
  }

  accept(): void {
    this.#pages[0]![ACCEPTED]!++;
  }

  /** A connection's route is decided, or (null) that it has none. The route's slot. */
  open(uid: string | null): number {
    const key = uid ?? NO_ROUTE;
    const slot = this.#routes.get(key) ?? this.#newRoute(key);
    this.#memory.order();
    this.#add(slot, ROUTE_OPENED, 1);
    return slot;
  }

  /** A connection of the route was held back by a limit, or would have been. */
  overLimit(route: number): void {
    this.#add(route, ROUTE_OVER_LIMIT, 1);
  }

  /** The slot of a route's backend. @param key "host:port" as in the route. */
  backend(route: number, key: string): number {
    return this.#backends.get(route)!.get(key) ?? this.#newBackend(route, key);
  }

  attempt(backend: number): void {
    this.#add(backend, BACKEND_ATTEMPTS, 1);
  }

  attemptFailed(backend: number): void {
    this.#memory.order();
    this.#add(backend, BACKEND_FAILURES, 1);
  }

  /** A backend has the connection: what the route already has of its bytes is the backend's too. */
  openBackend(backend: number, { flushedRx, flushedTx }: OpenTraffic): void {
    this.#memory.order();
    this.#add(backend, BACKEND_OPENED, 1);
    this.#add(backend, BACKEND_RX, flushedRx);
    this.#add(backend, BACKEND_TX, flushedTx);
  }

  /** @param backend -1: none ever had the connection. */
  close(route: number, backend: number, reason: CloseReason, open: OpenTraffic): void {
    this.#memory.order();
    this.#add(route, closedPlaces[reason], 1);
    this.#addBytes(route, backend, open);
    if (backend !== -1) this.#add(backend, BACKEND_CLOSED, 1);
  }

  /** Brings the bytes of open connections up to now. */
  flush(all: Iterable<OpenTraffic>): void {
    for (const open of all) if (open.routeSlot !== -1) this.#addBytes(open.routeSlot, open.backendSlot, open);
  }

  /**
   * Lets go of routes that are not served and have nothing open, of the next that it looks at, and of backends that have nothing open,
   * of routes with too many.
   */
  letGo(isServed: (uid: string) => boolean): LeftSlots {
    const backends = this.#letGoBackends();
    return { backends, routes: this.#letGoRoutes(isServed) };
  }

  #letGoBackends(): Map<number, number[]> {
    const left = new Map<number, number[]>();
    const crowded: number[] = [];
    let most = LET_GO_MAX;
    for (const route of this.#crowded) {
      if (most === 0) break;
      const backends = this.#backends.get(route)!;
      const slots = this.#letGoIdle(backends, most);
      if (slots.length > 0) left.set(route, slots);
      most -= slots.length;
      this.#crowded.delete(route);
      if (backends.size > BACKENDS_MAX) crowded.push(route);
    }
    // Behind those whose turn has not come.
    for (const route of crowded) this.#crowded.add(route);
    return left;
  }

  /** It looks at more than it lets go of only by those with something open, at which flush() looks as well. */
  #letGoIdle(backends: Map<string, number>, most: number): number[] {
    const slots: number[] = [];
    for (const [key, slot] of backends) {
      if (slots.length === most) break;
      const page = this.#pages[pageOf(slot)]!;
      const first = placeIn(slot);
      if (page[first + BACKEND_OPENED]! > page[first + BACKEND_CLOSED]!) continue;
      slots.push(slot);
      backends.delete(key);
    }
    return slots;
  }

  #letGoRoutes(isServed: (uid: string) => boolean): number[] {
    const slots: number[] = [];
    for (let looked = 0; looked < LET_GO_MAX; looked++) {
      const { done, value } = this.#looking.next();
      if (done) {
        this.#looking = this.#routes.entries();
        break;
      }
      const [uid, slot] = value;
      if (uid === NO_ROUTE || isServed(uid) || this.#hasOpen(slot)) continue;
      slots.push(slot);
      this.#left.set(slot, [...this.#backends.get(slot)!.values()]);
      this.#routes.delete(uid);
      this.#backends.delete(slot);
      this.#crowded.delete(slot);
    }
    return slots;
  }

  /** The reader has taken what these slots of letGo() held, routes' and backends'. */
  free(slots: readonly number[]): void {
    for (const slot of slots) {
      const backends = this.#left.get(slot);
      if (!backends) {
        this.#freeBackend(slot);
        continue;
      }
      this.#left.delete(slot);
      this.#clear(slot, ROUTE_NUMBERS);
      this.#free.routes.push(slot);
      for (const backend of backends) this.#freeBackend(backend);
    }
  }

  #freeBackend(slot: number): void {
    this.#clear(slot, BACKEND_NUMBERS);
    this.#free.backends.push(slot);
  }

  #hasOpen(slot: number): boolean {
    const page = this.#pages[pageOf(slot)]!;
    const first = placeIn(slot);
    let open = page[first + ROUTE_OPENED]!;
    for (let place = ROUTE_CLOSED; place < ROUTE_NUMBERS; place++) open -= page[first + place]!;
    return open > 0;
  }

  #clear(slot: number, numbers: number): void {
    this.#pages[pageOf(slot)]!.fill(0, placeIn(slot), placeIn(slot) + numbers);
  }

  #addBytes(route: number, backend: number, open: OpenTraffic): void {
    const { rxBytes, txBytes } = open;
    const rx = rxBytes - open.flushedRx;
    const tx = txBytes - open.flushedTx;
    open.flushedRx = rxBytes;
    open.flushedTx = txBytes;
    this.#add(route, ROUTE_RX, rx);
    this.#add(route, ROUTE_TX, tx);
    if (backend === -1) return;
    this.#memory.order();
    this.#add(backend, BACKEND_RX, rx);
    this.#add(backend, BACKEND_TX, tx);
  }

  #add(slot: number, place: number, more: number): void {
    this.#pages[pageOf(slot)]![placeIn(slot) + place]! += more;
  }

  #newRoute(uid: string): number {
    const slot = this.#free.routes.pop() ?? this.#newSlot(ROUTE_NUMBERS);
    this.#announce({ slot, uid });
    this.#routes.set(uid, slot);
    this.#backends.set(slot, new Map());
    return slot;
  }

  #newBackend(route: number, key: string): number {
    const slot = this.#free.backends.pop() ?? this.#newSlot(BACKEND_NUMBERS);
    this.#announce({ route, slot, backend: key });
    const backends = this.#backends.get(route)!;
    backends.set(key, slot);
    if (backends.size > BACKENDS_MAX) this.#crowded.add(route);
    return slot;
  }

  #newSlot(numbers: number): number {
    if (placeIn(this.#end) + numbers > PAGE_NUMBERS || pageOf(this.#end) === this.#pages.length) {
      this.#end = this.#pages.length * PAGE_NUMBERS;
      this.#addPage();
    }
    const slot = this.#end;
    this.#end += numbers;
    return slot;
  }

  #addPage(): void {
    const page = new SharedArrayBuffer(PAGE_NUMBERS * 8);
    this.#announce({ page });
    this.#pages.push(new Float64Array(page));
  }
}
