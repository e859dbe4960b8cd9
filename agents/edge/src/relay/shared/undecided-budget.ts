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
  /** Must leave the budget before it returns. */
  evict(): void;
}

interface Held {
  readonly stamp: number;
  bytes: number;
}

/** What this worker holds of a source. */
interface Source {
  readonly key: string;
  readonly entry: number;
  /** Oldest first. */
  readonly holders: Map<Undecided, Held>;
  /** Stamp of the oldest that holds bytes; Infinity: none does. */
  oldestWithBytes: number;
}

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
  readonly #sources = new Map<string, Source>();
  readonly #byEntry = new Map<number, Source>();

  /** @param evictElsewhere has to bring about evictOldest(source) of another worker, now or later. */
  constructor(memory: BudgetMemory, worker: number, evictElsewhere: (worker: number, source: number) => void) {
    this.#shared = new BudgetSources(memory, worker);
    this.#worker = worker;
    this.#evictElsewhere = evictElsewhere;
    this.#hardMax = 2 * memory.limits.connectionsMax;
    this.#hash = new KeyedHash(memory.hashKey);
  }

  /** Of the edge. */
  get connections(): number {
    return this.#shared.connections;
  }

  get bytes(): number {
    return this.#shared.bytes;
  }

  add(connection: Undecided): void {
    const shared = this.#shared;
    let source = this.#sources.get(connection.source);
    if (source?.holders.has(connection)) return;
    if (!source) this.#hash.ofText(connection.source);
    let entry: number;
    let stamp: number;
    let over: boolean;
    shared.lock.acquire();
    try {
      entry = source ? source.entry : shared.find(this.#hash.high, this.#hash.low);
      stamp = shared.nextStamp();
      if (!source) shared.setOldest(entry, this.#worker, stamp);
      shared.change(entry, this.#worker, 1, 0);
      over = shared.isOver(entry);
    } finally {
      shared.lock.release();
    }
    if (!source) {
      source = { key: connection.source, entry, holders: new Map(), oldestWithBytes: Infinity };
      this.#sources.set(source.key, source);
      this.#byEntry.set(entry, source);
    }
    source.holders.set(connection, { stamp, bytes: 0 });
    if (!over) return;
    this.#relieve(entry);
    if (shared.connections > this.#hardMax) this.#evictAnyBut(connection);
  }

  /** The connection holds this many bytes more. It may itself be evicted. */
  grow(connection: Undecided, bytes: number): void {
    const source = this.#sources.get(connection.source);
    const held = source?.holders.get(connection);
    if (!source || !held || bytes === 0) return;
    held.bytes += bytes;
    if (held.stamp < source.oldestWithBytes) source.oldestWithBytes = held.stamp;
    if (this.#change(source, 0, bytes)) this.#relieve(source.entry);
  }

  /** What the connection held is let go of; it still counts as a connection. */
  releaseBytes(connection: Undecided): void {
    const source = this.#sources.get(connection.source);
    const held = source?.holders.get(connection);
    if (!source || !held || held.bytes === 0) return;
    const bytes = held.bytes;
    held.bytes = 0;
    if (held.stamp === source.oldestWithBytes) source.oldestWithBytes = firstWithBytes(source);
    this.#change(source, 0, -bytes);
  }

  remove(connection: Undecided): void {
    const source = this.#sources.get(connection.source);
    const held = source?.holders.get(connection);
    if (!source || !held) return;
    source.holders.delete(connection);
    if (held.stamp === source.oldestWithBytes) source.oldestWithBytes = firstWithBytes(source);
    if (source.holders.size === 0) {
      this.#sources.delete(source.key);
      this.#byEntry.delete(source.entry);
    }
    this.#change(source, -1, -held.bytes);
  }

  /** Another worker saw that a connection here has to go; looks again whether that still holds. @param source as it was handed over. */
  evictOldest(source: number): void {
    this.#relieve(source);
  }

  /** Whether something is over a bound now. */
  #change(source: Source, connections: number, bytes: number): boolean {
    const shared = this.#shared;
    const oldest = firstStamp(source);
    shared.lock.acquire();
    try {
      shared.setOldest(source.entry, this.#worker, oldest);
      shared.setOldestWithBytes(source.entry, this.#worker, source.oldestWithBytes);
      shared.change(source.entry, this.#worker, connections, bytes);
      return shared.isOver(source.entry);
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
    for (const [connection, held] of this.#byEntry.get(entry)?.holders ?? []) {
      if (bytes && held.bytes === 0) continue;
      this.#evict(connection);
      return true;
    }
    return false;
  }

  /** Whatever is oldest of a source that has been here for long. */
  #evictAnyBut(newcomer: Undecided): void {
    for (const source of this.#sources.values()) {
      for (const connection of source.holders.keys()) {
        if (connection === newcomer) break;
        return this.#evict(connection);
      }
    }
  }

  #evict(connection: Undecided): void {
    connection.evict();
    this.remove(connection);
  }
}

function firstStamp(source: Source): number {
  for (const held of source.holders.values()) return held.stamp;
  return Infinity;
}

function firstWithBytes(source: Source): number {
  for (const held of source.holders.values()) if (held.bytes > 0) return held.stamp;
  return Infinity;
}
