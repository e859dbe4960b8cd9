// How many connections, and how many of their bytes, may wait for a decision, so that clients who never finish a hello cannot
// take the memory of those who do. Refused connections stay in it while what they send is discarded.
//
// Invariants:
// - A newcomer is always taken; whoever is over a bound loses its oldest connection instead.
// - One source never holds more than its share, so that one cannot crowd out many. Beyond that, the oldest connection of the
//   source that holds most of what is short goes first.

export interface BudgetLimits {
  connectionsMax: number;
  bytesMax: number;
  sourceConnectionsMax: number;
  sourceBytesMax: number;
}

/** Bytes: 1,024 of the longest possible hellos at once; a source may have 64 of them in flight. */
export const defaultBudgetLimits: BudgetLimits = {
  connectionsMax: 16_384,
  bytesMax: 64 * 1024 * 1024,
  sourceConnectionsMax: 256,
  sourceBytesMax: (64 * 1024 * 1024) / 16,
};

interface Source {
  readonly key: string;
  bytes: number;
  /** Oldest first. */
  readonly holders: Map<Undecided, number>;
}

/** What the budget needs of a connection. */
export interface Undecided {
  readonly source: string;
  /** Must leave the budget before it returns. */
  evict(): void;
}

export class UndecidedBudget {
  readonly #limits: BudgetLimits;
  readonly #sources = new Map<string, Source>();
  /** Sources by how many connections they hold. */
  readonly #byCount: Set<Source>[];
  #connections = 0;
  #bytes = 0;

  constructor(limits: BudgetLimits = defaultBudgetLimits) {
    this.#limits = limits;
    this.#byCount = Array.from({ length: limits.sourceConnectionsMax + 1 }, () => new Set<Source>());
  }

  get connections(): number {
    return this.#connections;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(connection: Undecided): void {
    const held = this.#sources.get(connection.source);
    if (held && held.holders.size >= this.#limits.sourceConnectionsMax) evictOldest(held);
    else if (this.#connections >= this.#limits.connectionsMax) evictOldest(this.#mostConnections());
    let source = this.#sources.get(connection.source);
    if (!source) {
      source = { key: connection.source, bytes: 0, holders: new Map() };
      this.#sources.set(source.key, source);
    }
    this.#byCount[source.holders.size]!.delete(source);
    source.holders.set(connection, 0);
    this.#byCount[source.holders.size]!.add(source);
    this.#connections++;
  }

  /** The connection holds this many bytes more. It may itself be evicted. */
  grow(connection: Undecided, bytes: number): void {
    const source = this.#sources.get(connection.source);
    const held = source?.holders.get(connection);
    if (!source || held === undefined) return;
    source.holders.set(connection, held + bytes);
    source.bytes += bytes;
    this.#bytes += bytes;
    while (source.bytes > this.#limits.sourceBytesMax) evictOldestWithBytes(source);
    while (this.#bytes > this.#limits.bytesMax) evictOldestWithBytes(this.#mostBytes());
  }

  /** What the connection held is let go of; it still counts as a connection. */
  releaseBytes(connection: Undecided): void {
    const source = this.#sources.get(connection.source);
    const held = source?.holders.get(connection);
    if (!source || held === undefined) return;
    source.holders.set(connection, 0);
    source.bytes -= held;
    this.#bytes -= held;
  }

  remove(connection: Undecided): void {
    const source = this.#sources.get(connection.source);
    const held = source?.holders.get(connection);
    if (!source || held === undefined) return;
    this.#byCount[source.holders.size]!.delete(source);
    source.holders.delete(connection);
    source.bytes -= held;
    this.#bytes -= held;
    this.#connections--;
    if (source.holders.size === 0) this.#sources.delete(source.key);
    else this.#byCount[source.holders.size]!.add(source);
  }

  #mostConnections(): Source {
    for (let count = this.#byCount.length - 1; count > 0; count--) {
      for (const source of this.#byCount[count]!) return source;
    }
    throw new Error("A full budget holds no source.");
  }

  /** Looks at every source: what is let go of has to be sent again before the next look. */
  #mostBytes(): Source {
    let most: Source | null = null;
    for (const source of this.#sources.values()) if (!most || source.bytes > most.bytes) most = source;
    if (!most) throw new Error("A full budget holds no source.");
    return most;
  }
}

function evictOldest(source: Source): void {
  for (const connection of source.holders.keys()) {
    connection.evict();
    return;
  }
}

/** Evicting those that hold nothing would make no room. */
function evictOldestWithBytes(source: Source): void {
  for (const [connection, bytes] of source.holders) {
    if (bytes > 0) return connection.evict();
  }
}
