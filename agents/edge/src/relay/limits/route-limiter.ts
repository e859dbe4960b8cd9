// The limits of a route that count connections, over all workers of an edge: how many at once and how many new ones a second, of
// the route and of each of its sources.
//
// Invariants:
// - Never more are let in than a limit says, whichever workers ask: what decides and what counts happen under the entries' locks.
// - All or nothing: who is over one of the four takes nothing from any of them.
// - New ones a second are a bucket of one second's worth: n at once at most, and n a second on average.
// - Who was let in before there was a limit on open connections is counted once the limit is there (count-open.ts).
// - A connection gives back what it took, whatever became of the limits meanwhile: it knows the entries, not the limits.
// - A source's entry is entered while the route's is held, never the other way round.
// - Sources have a table of their own, so that many of them cannot drive a route's entry out. Where a table has no place for an
//   entry, the connection goes without its limits rather than being refused for what others did.
import { ENTRY_NUMBERS, type SharedEntries } from "../shared/shared-entries.ts";

/** null: no limit. */
export interface ConnectionLimits {
  readonly connections: number | null;
  readonly connectionsPerSource: number | null;
  readonly newPerSecond: number | null;
  readonly newPerSecondPerSource: number | null;
}

export type ConnectionLimit = keyof ConnectionLimits;

/** What a connection is counted at, as indices; -1: nothing. Part of the connection, so that it costs no object. */
export interface HeldLimits {
  routeEntry: number;
  sourceEntry: number;
}

/** The numbers of an entry: what was taken from its bucket and has not flowed back, and when that was reckoned. */
const SPENT = 0;
const RECKONED_AT = 1;

export class RouteLimiter {
  readonly #routes: SharedEntries;
  readonly #sources: SharedEntries;
  readonly #now: () => number;

  /** @param routes, sources two tables. @param now the edge's clock. */
  constructor(routes: SharedEntries, sources: SharedEntries, now: () => number) {
    this.#routes = routes;
    this.#sources = sources;
    this.#now = now;
  }

  /**
   * Lets a connection in and notes in `held` what it is counted at, or tells the limit that it is over. Over a limit and `enforce`:
   * nothing was taken, refuse it. Over a limit without: it is counted as open all the same, but is no new one of this second.
   * @param source its sourceKey().
   */
  admit(
    held: HeldLimits,
    routeUid: string,
    limits: ConnectionLimits & { readonly enforce: boolean },
    source: string,
  ): ConnectionLimit | null {
    const { connections, connectionsPerSource, newPerSecond, newPerSecondPerSource } = limits;
    const ofRoute = connections !== null || newPerSecond !== null;
    const ofSource = connectionsPerSource !== null || newPerSecondPerSource !== null;
    if (!ofRoute && !ofSource) return null;
    const now = this.#now();
    const route = this.#routes.hash;
    route.ofText(routeUid);
    const routeEntry = ofRoute ? this.#routes.enter(route.high, route.low, now) : -1;
    const sourceEntry = ofSource ? this.#enterSource(route.high, route.low, source, now) : -1;
    let over: ConnectionLimit | null = null;
    if (isFull(this.#routes, routeEntry, connections)) over = "connections";
    else if (isFull(this.#sources, sourceEntry, connectionsPerSource)) over = "connectionsPerSource";
    else if (isSpent(this.#routes, routeEntry, newPerSecond, now)) over = "newPerSecond";
    else if (isSpent(this.#sources, sourceEntry, newPerSecondPerSource, now)) over = "newPerSecondPerSource";
    if (over === null) {
      spend(this.#routes, routeEntry, newPerSecond);
      spend(this.#sources, sourceEntry, newPerSecondPerSource);
    }
    if (over === null || !limits.enforce) {
      held.routeEntry = hold(this.#routes, routeEntry, connections);
      held.sourceEntry = hold(this.#sources, sourceEntry, connectionsPerSource);
    }
    if (sourceEntry !== -1) this.#sources.leave(sourceEntry);
    if (routeEntry !== -1) this.#routes.leave(routeEntry);
    return over;
  }

  /**
   * Counts an open connection, which was let in already, at those limits on open ones where it is not counted yet. Refuses nobody.
   * @param source its sourceKey().
   */
  count(held: HeldLimits, routeUid: string, limits: ConnectionLimits, source: string): void {
    const ofRoute = limits.connections !== null && held.routeEntry === -1;
    const ofSource = limits.connectionsPerSource !== null && held.sourceEntry === -1;
    if (!ofRoute && !ofSource) return;
    const now = this.#now();
    const route = this.#routes.hash;
    route.ofText(routeUid);
    if (ofRoute) held.routeEntry = countAt(this.#routes, this.#routes.enter(route.high, route.low, now));
    if (ofSource) held.sourceEntry = countAt(this.#sources, this.#enterSource(route.high, route.low, source, now));
  }

  /** The connection has ended. Once; a second time nothing happens. */
  release(held: HeldLimits): void {
    this.#routes.remove(held.routeEntry);
    this.#sources.remove(held.sourceEntry);
    held.routeEntry = -1;
    held.sourceEntry = -1;
  }

  #enterSource(routeHigh: number, routeLow: number, source: string, now: number): number {
    const { hash } = this.#sources;
    hash.ofText(source);
    // Two hashes with secret keys; their exclusive or is as even.
    return this.#sources.enter(routeHigh ^ hash.high || 1, routeLow ^ hash.low, now);
  }
}

function isFull(entries: SharedEntries, entry: number, max: number | null): boolean {
  return entry !== -1 && max !== null && entries.count(entry) >= max;
}

/** Reckons what has flowed back by now, which takes nothing from the bucket. */
function isSpent(entries: SharedEntries, entry: number, perSecond: number | null, now: number): boolean {
  if (entry === -1 || perSecond === null) return false;
  const { numbers } = entries;
  const at = entry * ENTRY_NUMBERS;
  const reckonedAt = numbers[at + RECKONED_AT]!;
  // Another worker may have read its clock later and come first.
  const elapsed = Math.max(0, now - reckonedAt);
  // The limit may have been higher when it was spent.
  const before = Math.min(perSecond, numbers[at + SPENT]!);
  const spent = Math.max(0, before - (elapsed * perSecond) / 1000);
  // In this order a worker that dies between the two makes the bucket poorer, not richer.
  numbers[at + RECKONED_AT] = reckonedAt + elapsed;
  numbers[at + SPENT] = spent;
  return spent > perSecond - 1;
}

function spend(entries: SharedEntries, entry: number, perSecond: number | null): void {
  if (entry !== -1 && perSecond !== null) entries.numbers[entry * ENTRY_NUMBERS + SPENT]! += 1;
}

function hold(entries: SharedEntries, entry: number, max: number | null): number {
  if (entry === -1 || max === null) return -1;
  entries.add(entry);
  return entry;
}

/** Leaves the entry that was entered. */
function countAt(entries: SharedEntries, entry: number): number {
  if (entry === -1) return -1;
  entries.add(entry);
  entries.leave(entry);
  return entry;
}
