// What one worker's connections do, by route and backend, since it began. The numbers are in shared memory, where the main thread
// reads them whenever it likes, the worker's death included (traffic-reader.ts); how they stay coherent is in traffic-slots.ts.
//
// Invariants: accepted = undecided + the sum of opened; per key, opened - the sum of closed = open connections of that key; a
// route's numbers are never below the sum of its backends'. Bytes of open connections are in since the last flush.
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
  ROUTE_NUMBERS,
  ROUTE_OPENED,
  ROUTE_OVER_LIMIT,
  ROUTE_RX,
  ROUTE_TX,
  type TrafficAnnouncement,
} from "./traffic-slots.ts";

export type { TrafficAnnouncement } from "./traffic-slots.ts";

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
  #free = FIRST_FREE;
  readonly #routes = new Map<string, number>();
  /** By the route's slot. */
  readonly #backends = new Map<number, Map<string, number>>();

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
    const slot = this.#newSlot(ROUTE_NUMBERS);
    this.#announce({ slot, uid });
    this.#routes.set(uid, slot);
    this.#backends.set(slot, new Map());
    return slot;
  }

  #newBackend(route: number, key: string): number {
    const slot = this.#newSlot(BACKEND_NUMBERS);
    this.#announce({ route, slot, backend: key });
    this.#backends.get(route)!.set(key, slot);
    return slot;
  }

  #newSlot(numbers: number): number {
    if (placeIn(this.#free) + numbers > PAGE_NUMBERS || pageOf(this.#free) === this.#pages.length) {
      this.#free = this.#pages.length * PAGE_NUMBERS;
      this.#addPage();
    }
    const slot = this.#free;
    this.#free += numbers;
    return slot;
  }

  #addPage(): void {
    const page = new SharedArrayBuffer(PAGE_NUMBERS * 8);
    this.#announce({ page });
    this.#pages.push(new Float64Array(page));
  }
}
