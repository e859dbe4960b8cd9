// How many connections, and how many of their bytes, may wait for a decision, so that clients who never finish a hello cannot
// take the memory of those who do. Refused connections stay in it while what they send is discarded. It holds for the edge,
// whichever of its workers they came to.
//
// Invariants:
// - A newcomer is always taken; whoever is over a bound loses its oldest connection instead.
// - One source never holds more than its share, so that one cannot crowd out many. Beyond that, the oldest connection of the
//   source that holds most of what is short goes first: of connections exactly, of bytes to within an eighth.
// - Of a connection that has to go, its own worker lets go. When that is another one, the bounds are exceeded until it has
//   come to it, but never twice over: then a worker lets go of one of its own for each that it takes.
import { type BudgetLimits, defaultBudgetLimits } from "./budget-limits.ts";
import { type BudgetMemory, BudgetSources, createBudgetMemory, type Victim } from "./budget-sources.ts";
import { KeyedHash } from "./keyed-hash.ts";

/** What the budget needs of a connection. */
export interface Undecided {
  /** IPv4 address, or /64 of an IPv6 address, as any text. */
  readonly source: string;
  /** The budget's own; null before it is in the budget and after. */
  place: BudgetPlace | null;
  /** Must leave the budget before it returns. */
  evict(): void;
}

/** A connection in the budget, between those of its source that came to this worker before and after it. */
export interface BudgetPlace {
  readonly connection: Undecided;
  readonly source: Source;
  readonly stamp: number;
  bytes: number;
  before: BudgetPlace | null;
  after: BudgetPlace | null;
}

/** What this worker holds of a source. */
interface Source {
  readonly high: number;
  readonly low: number;
  /** -1: it holds nothing. */
  entry: number;
  first: BudgetPlace | null;
  last: BudgetPlace | null;
  /** null: none does. */
  firstWithBytes: BudgetPlace | null;
}

/** Sources that hold nothing are kept for when they come again, up to as many as hold something and these. */
const EMPTY_SOURCES_MAX = 1_024;

/** Made once, by the main thread. @param workers at most; they are numbered from 0. */
export function createUndecidedBudget(workers: number, limits: BudgetLimits = defaultBudgetLimits): BudgetMemory {
  return createBudgetMemory(limits, workers);
}

export class UndecidedBudget {
  readonly #shared: BudgetSources;
  readonly #worker: number;
  readonly #evictElsewhere: (worker: number, source: number) => void;
  readonly #hardMax: number;
  readonly #hash: KeyedHash;
  // Taking a key out of a Map and putting it in again makes it slow, because what was taken out stays in its chain: sources
  // are let go of all at once.
  #sources = new Map<string, Source>();
  readonly #byEntry: (Source | null)[];
  #holding = 0;

  /** @param evictElsewhere has to bring about evictOldest(source) of another worker, now or later. */
  constructor(memory: BudgetMemory, worker: number, evictElsewhere: (worker: number, source: number) => void) {
    this.#shared = new BudgetSources(memory, worker);
    this.#worker = worker;
    this.#evictElsewhere = evictElsewhere;
    this.#hardMax = 2 * memory.limits.connectionsMax;
    this.#hash = new KeyedHash(memory.hashKey);
    this.#byEntry = Array.from({ length: this.#shared.entriesMax }, () => null);
  }

  /** Of the edge. */
  get connections(): number {
    return this.#shared.connections;
  }

  get bytes(): number {
    return this.#shared.bytes;
  }

  add(connection: Undecided): void {
    if (connection.place) return;
    const shared = this.#shared;
    const source = this.#sources.get(connection.source) ?? this.#newSource(connection.source);
    const isFirst = source.entry === -1;
    let stamp: number;
    let over: boolean;
    shared.lock.acquire();
    try {
      if (isFirst) source.entry = shared.find(source.high, source.low);
      stamp = shared.nextStamp();
      if (isFirst) shared.setOldest(source.entry, this.#worker, stamp);
      shared.change(source.entry, this.#worker, 1, 0);
      over = shared.isOver(source.entry);
    } finally {
      shared.lock.release();
    }
    if (isFirst) {
      this.#byEntry[source.entry] = source;
      this.#holding++;
    }
    const place: BudgetPlace = { connection, source, stamp, bytes: 0, before: source.last, after: null };
    if (source.last) source.last.after = place;
    else source.first = place;
    source.last = place;
    connection.place = place;
    if (!over) return;
    this.#relieve(source.entry);
    if (shared.connections > this.#hardMax) this.#evictAnyBut(connection);
  }

  /** The connection holds this many bytes more. It may itself be evicted. */
  grow({ place }: Undecided, bytes: number): void {
    if (!place || bytes === 0) return;
    const { source } = place;
    place.bytes += bytes;
    if (!source.firstWithBytes || place.stamp < source.firstWithBytes.stamp) source.firstWithBytes = place;
    if (this.#change(source, 0, bytes)) this.#relieve(source.entry);
  }

  /** What the connection held is let go of; it still counts as a connection. */
  releaseBytes({ place }: Undecided): void {
    if (!place || place.bytes === 0) return;
    const { bytes, source } = place;
    place.bytes = 0;
    if (place === source.firstWithBytes) source.firstWithBytes = nextWithBytes(place);
    this.#change(source, 0, -bytes);
  }

  remove(connection: Undecided): void {
    const { place } = connection;
    if (!place) return;
    connection.place = null;
    const { source } = place;
    if (place === source.firstWithBytes) source.firstWithBytes = nextWithBytes(place);
    if (place.before) place.before.after = place.after;
    else source.first = place.after;
    if (place.after) place.after.before = place.before;
    else source.last = place.before;
    this.#change(source, -1, -place.bytes);
    if (source.first) return;
    this.#byEntry[source.entry] = null;
    source.entry = -1;
    this.#holding--;
  }

  /** Another worker saw that a connection here has to go; looks again whether that still holds. @param source as it was handed over. */
  evictOldest(source: number): void {
    this.#relieve(source);
  }

  /**
   * Looks at all that this worker holds, as evictOldest() does at one source. For when another worker has ended: it may have
   * been asked for connections that it had let go of by that, and whoever asked it asks nobody else.
   */
  relieve(): void {
    for (const { entry } of this.#sources.values()) if (entry !== -1) this.#relieve(entry);
  }

  #newSource(key: string): Source {
    if (this.#sources.size >= 2 * this.#holding + EMPTY_SOURCES_MAX) this.#forgetEmpty();
    this.#hash.ofText(key);
    const { high, low } = this.#hash;
    const source: Source = { high, low, entry: -1, first: null, last: null, firstWithBytes: null };
    this.#sources.set(key, source);
    return source;
  }

  #forgetEmpty(): void {
    const held = new Map<string, Source>();
    for (const [key, source] of this.#sources) if (source.first) held.set(key, source);
    this.#sources = held;
  }

  /** Whether something is over a bound now. */
  #change({ entry, first, firstWithBytes }: Source, connections: number, bytes: number): boolean {
    const shared = this.#shared;
    shared.lock.acquire();
    try {
      if (first) shared.setOldest(entry, this.#worker, first.stamp);
      if (firstWithBytes) shared.setOldestWithBytes(entry, this.#worker, firstWithBytes.stamp);
      shared.change(entry, this.#worker, connections, bytes);
      return shared.isOver(entry);
    } finally {
      shared.lock.release();
    }
  }

  /** Evicts until the source and the whole are within their bounds, or until it is another worker's turn. */
  #relieve(entry: number): void {
    for (;;) {
      const victim = this.#victim(entry);
      if (!victim) return;
      if (victim.worker !== this.#worker) return this.#evictElsewhere(victim.worker, victim.entry);
      if (!this.#evictOwn(victim)) return;
    }
  }

  #victim(entry: number): Victim | null {
    this.#shared.lock.acquire();
    try {
      return this.#shared.victim(entry);
    } finally {
      this.#shared.lock.release();
    }
  }

  /** Evicting those that hold nothing would make no room for bytes. */
  #evictOwn({ entry, bytes }: Victim): boolean {
    const source = this.#byEntry[entry];
    const place = bytes ? source?.firstWithBytes : source?.first;
    if (!place) return false;
    this.#evict(place.connection);
    return true;
  }

  /** Whatever is the oldest of a source that this worker has known for long. */
  #evictAnyBut(newcomer: Undecided): void {
    for (const { first } of this.#sources.values()) {
      if (first && first.connection !== newcomer) return this.#evict(first.connection);
    }
  }

  #evict(connection: Undecided): void {
    connection.evict();
    this.remove(connection);
  }
}

function nextWithBytes(place: BudgetPlace): BudgetPlace | null {
  let next = place.after;
  while (next && next.bytes === 0) next = next.after;
  return next;
}
