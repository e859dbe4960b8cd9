// How a worker's counters lie in its pages of shared memory: doubles, each written by that worker alone.
//
// What is read while the worker counts on must still fit together, so both sides keep an order, with MemoryOrder between the
// steps: the worker counts what comes first in a connection's life first, and a route before its backend; the reader reads the
// other way round. Doubles of one's own page are never torn on the 64-bit machines that Node supports.
import { type CloseReason, closeReasons } from "@helloway/routing/close-reason";

/** A page is 64 KiB; a slot is within one. */
export const PAGE_NUMBERS = 8_192;
const PAGE_SHIFT = 13;

/** Where the first page begins. */
export const ACCEPTED = 0;
export const FIRST_FREE = 1;

export const ROUTE_OPENED = 0;
export const ROUTE_RX = 1;
export const ROUTE_TX = 2;
export const ROUTE_OVER_LIMIT = 3;
/** One for each reason, in the order of closeReasons. */
export const ROUTE_CLOSED = 4;
export const ROUTE_NUMBERS = ROUTE_CLOSED + closeReasons.length;

export const BACKEND_OPENED = 0;
export const BACKEND_RX = 1;
export const BACKEND_TX = 2;
export const BACKEND_CLOSED = 3;
export const BACKEND_ATTEMPTS = 4;
export const BACKEND_FAILURES = 5;
export const BACKEND_NUMBERS = 6;

/**
 * What the reader has to know, in this order: a page before slots in it, a slot before it is written, a route's slot before its
 * backends'. A slot is the number of its first double, counted through all pages.
 */
export type TrafficAnnouncement =
  | { readonly page: SharedArrayBuffer }
  | { readonly slot: number; readonly uid: string }
  | { readonly slot: number; readonly route: number; readonly backend: string };

/** What a worker has let go of, and writes to no more. */
export interface LeftSlots {
  /** Of routes, with all that the reader knows of their backends. */
  readonly routes: readonly number[];
  /** Of backends alone, by the slot of their route. */
  readonly backends: ReadonlyMap<number, readonly number[]>;
}

export function pageOf(slot: number): number {
  return slot >>> PAGE_SHIFT;
}

export function placeIn(slot: number): number {
  return slot & (PAGE_NUMBERS - 1);
}

/** By reason, the place within a route's slot. */
export const closedPlaces = Object.fromEntries(
  closeReasons.map((reason, index) => [reason, ROUTE_CLOSED + index]),
) as Record<CloseReason, number>;

/** Keeps what is loaded and stored before order() before what comes after it, as other threads see it. */
export class MemoryOrder {
  // Which word it is does not matter to the processor; one of its own is never waited for.
  readonly #word = new Int32Array(new SharedArrayBuffer(4));

  order(): void {
    Atomics.add(this.#word, 0, 0);
  }
}
