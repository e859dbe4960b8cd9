// What the undecided connections of an edge hold, by source, in memory that all of its workers share.
//
// Invariants:
// - Everything happens under one lock. A worker changes its own columns alone: how many connections and bytes of a source it
//   holds, and since when the oldest of them.
// - The columns are the truth. Totals, lists and chains are derived from them, and made anew when a worker has died, wherever
//   in a change that was.
// - A source has an entry for as long as it holds a connection, and keeps its index for that time.
import type { BudgetLimits } from "./budget-limits.ts";
import { createFifoLevels, FifoLevels, type FifoLevelsMemory } from "./fifo-levels.ts";
import { createHashKey, type HashKey } from "./keyed-hash.ts";
import { WorkerLock } from "./worker-lock.ts";

/** For structured cloning. */
export interface BudgetMemory {
  readonly limits: BudgetLimits;
  readonly workers: number;
  readonly hashKey: HashKey;
  readonly state: SharedArrayBuffer;
  readonly entries: SharedArrayBuffer;
  readonly columns: SharedArrayBuffer;
  readonly oldest: SharedArrayBuffer;
  readonly byConnections: FifoLevelsMemory;
  readonly byBytes: FifoLevelsMemory;
}

/** Whose connection has to go. */
export interface Victim {
  readonly worker: number;
  readonly entry: number;
  /** It is bytes that are short: the oldest that holds some. */
  readonly bytes: boolean;
}

const LOCK = 0;
const FREE = 1;
const USED_ONCE = 2;
const CONNECTIONS = 3;
const STATE_BYTES = 64;

/** Eight to each doubling: the list of a size holds what is within an eighth of it. */
const SIZE_LEVELS = 8 * 32;

/** Memory is taken as sources come: untouched pages cost nothing. */
export function createBudgetMemory(limits: BudgetLimits, workers: number): BudgetMemory {
  // Above twice the limit a worker drops one of its own for each that it takes, so this many are never exceeded: then each
  // worker holds one, and takes one more.
  const entries = 2 * limits.connectionsMax + 2 * workers;
  const chains = 2 ** Math.ceil(Math.log2(entries));
  return {
    limits,
    workers,
    hashKey: createHashKey(),
    state: new SharedArrayBuffer(STATE_BYTES),
    entries: new SharedArrayBuffer((5 * entries + chains) * 4),
    columns: new SharedArrayBuffer(2 * entries * workers * 4),
    oldest: new SharedArrayBuffer(2 * entries * workers * 8),
    byConnections: createFifoLevels(entries, limits.sourceConnectionsMax + 1),
    byBytes: createFifoLevels(entries, SIZE_LEVELS),
  };
}

export class BudgetSources {
  readonly lock: WorkerLock;
  readonly entriesMax: number;
  readonly #limits: BudgetLimits;
  readonly #workers: number;
  /** Words of the lock, the first free entry + 1, how many entries were ever used, and the connections of all. */
  readonly #state: Int32Array;
  /** Bytes held by all, and the last stamp. */
  readonly #sums: Float64Array;
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  /** In its chain, or among the free ones; index + 1. */
  readonly #next: Int32Array;
  readonly #connections: Int32Array;
  readonly #bytes: Int32Array;
  readonly #chains: Int32Array;
  // By entry * workers + worker.
  readonly #connectionsOf: Int32Array;
  readonly #bytesOf: Int32Array;
  readonly #oldestOf: Float64Array;
  readonly #oldestWithBytesOf: Float64Array;
  readonly #byConnections: FifoLevels;
  readonly #byBytes: FifoLevels;

  /** @param worker 0, 1, 2 ... or MAIN_THREAD. */
  constructor(memory: BudgetMemory, worker: number) {
    const { workers } = memory;
    const entries = memory.oldest.byteLength / 16 / workers;
    const words = (field: number): Int32Array => new Int32Array(memory.entries, field * entries * 4, entries);
    this.#limits = memory.limits;
    this.#workers = workers;
    this.entriesMax = entries;
    this.#state = new Int32Array(memory.state, 0, 4);
    this.#sums = new Float64Array(memory.state, 16, 2);
    this.#high = words(0);
    this.#low = words(1);
    this.#next = words(2);
    this.#connections = words(3);
    this.#bytes = words(4);
    this.#chains = new Int32Array(memory.entries, 5 * entries * 4);
    this.#connectionsOf = new Int32Array(memory.columns, 0, entries * workers);
    this.#bytesOf = new Int32Array(memory.columns, entries * workers * 4);
    this.#oldestOf = new Float64Array(memory.oldest, 0, entries * workers);
    this.#oldestWithBytesOf = new Float64Array(memory.oldest, entries * workers * 8);
    this.#byConnections = new FifoLevels(memory.byConnections);
    this.#byBytes = new FifoLevels(memory.byBytes);
    this.lock = new WorkerLock(this.#state, LOCK, worker);
  }

  /** Of the edge; a moment old unless the lock is held. */
  get connections(): number {
    return Atomics.load(this.#state, CONNECTIONS);
  }

  get bytes(): number {
    return this.#sums[0]!;
  }

  /** Later than every one before, on all workers. */
  nextStamp(): number {
    return ++this.#sums[1]!;
  }

  /** The entry of a source, found by two words that stand for it. Whoever asks has to add a connection before letting go of the lock. */
  find(high: number, low: number): number {
    const chain = low & (this.#chains.length - 1);
    for (let at = this.#chains[chain]!; at > 0; at = this.#next[at - 1]!) {
      if (this.#low[at - 1] === low && this.#high[at - 1] === high) return at - 1;
    }
    const entry = this.#takeFree();
    this.#high[entry] = high;
    this.#low[entry] = low;
    this.#link(entry);
    return entry;
  }

  change(entry: number, worker: number, connections: number, bytes: number): void {
    const column = entry * this.#workers + worker;
    this.#connectionsOf[column]! += connections;
    this.#bytesOf[column]! += bytes;
    const connectionsNow = (this.#connections[entry]! += connections);
    this.#state[CONNECTIONS]! += connections;
    if (connections !== 0) this.#byConnections.place(entry, connectionsNow);
    if (bytes !== 0) {
      const bytesNow = (this.#bytes[entry]! += bytes);
      this.#sums[0]! += bytes;
      this.#byBytes.place(entry, sizeLevel(bytesNow));
    }
    if (connectionsNow === 0) this.#free(entry);
  }

  /** The oldest that this worker holds of a source is of this stamp. */
  setOldest(entry: number, worker: number, stamp: number): void {
    this.#oldestOf[entry * this.#workers + worker] = stamp;
  }

  /** The same among those that hold bytes; means nothing while there are none. */
  setOldestWithBytes(entry: number, worker: number, stamp: number): void {
    this.#oldestWithBytesOf[entry * this.#workers + worker] = stamp;
  }

  /** Whether this source, or all together, hold more than they may. */
  isOver(entry: number): boolean {
    const limits = this.#limits;
    return (
      this.#state[CONNECTIONS]! > limits.connectionsMax ||
      this.#sums[0]! > limits.bytesMax ||
      this.#connections[entry]! > limits.sourceConnectionsMax ||
      this.#bytes[entry]! > limits.sourceBytesMax
    );
  }

  /** Who has to let go of one connection next; null: nobody. The source itself if it is over its share, else the heaviest. */
  victim(entry: number): Victim | null {
    const limits = this.#limits;
    if (this.#connections[entry]! > limits.sourceConnectionsMax) return this.#oldest(entry, false);
    if (this.#bytes[entry]! > limits.sourceBytesMax) return this.#oldest(entry, true);
    if (this.#state[CONNECTIONS]! > limits.connectionsMax) return this.#oldest(this.#byConnections.first(), false);
    if (this.#sums[0]! > limits.bytesMax) return this.#oldest(this.#byBytes.first(), true);
    return null;
  }

  /** Everything a worker held is given back, whatever it was doing when it died, and all that is derived is made anew. */
  forget(worker: number): void {
    this.#chains.fill(0);
    this.#byConnections.clear();
    this.#byBytes.clear();
    this.#state[FREE] = 0;
    this.#state[CONNECTIONS] = 0;
    this.#sums[0] = 0;
    const held: { entry: number; since: number }[] = [];
    for (let entry = this.#state[USED_ONCE]! - 1; entry >= 0; entry--) {
      const since = this.#sum(entry, worker);
      if (since === Infinity) this.#putFree(entry);
      else held.push({ entry, since });
    }
    // The lists are in the order of age.
    for (const { entry } of held.sort((a, b) => a.since - b.since)) {
      this.#link(entry);
      this.#byConnections.place(entry, this.#connections[entry]!);
      this.#byBytes.place(entry, sizeLevel(this.#bytes[entry]!));
      this.#state[CONNECTIONS] += this.#connections[entry]!;
      this.#sums[0] += this.#bytes[entry]!;
    }
  }

  /** Adds the columns up without the dead worker's. Since when the source holds anything; Infinity: it holds nothing. */
  #sum(entry: number, dead: number): number {
    let since = Infinity;
    let connections = 0;
    let bytes = 0;
    for (let worker = 0; worker < this.#workers; worker++) {
      const column = entry * this.#workers + worker;
      if (worker === dead) this.#connectionsOf[column] = this.#bytesOf[column] = 0;
      if (this.#connectionsOf[column] === 0) continue;
      connections += this.#connectionsOf[column]!;
      bytes += this.#bytesOf[column]!;
      since = Math.min(since, this.#oldestOf[column]!);
    }
    this.#connections[entry] = connections;
    this.#bytes[entry] = bytes;
    return since;
  }

  #oldest(entry: number, bytes: boolean): Victim | null {
    const held = bytes ? this.#bytesOf : this.#connectionsOf;
    const stamps = bytes ? this.#oldestWithBytesOf : this.#oldestOf;
    let oldest = -1;
    for (let worker = 0; worker < this.#workers; worker++) {
      const column = entry * this.#workers + worker;
      if (held[column] === 0) continue;
      if (oldest === -1 || stamps[column]! < stamps[entry * this.#workers + oldest]!) oldest = worker;
    }
    return oldest === -1 ? null : { worker: oldest, entry, bytes };
  }

  #link(entry: number): void {
    const chain = this.#low[entry]! & (this.#chains.length - 1);
    this.#next[entry] = this.#chains[chain]!;
    this.#chains[chain] = entry + 1;
  }

  #free(entry: number): void {
    const chain = this.#low[entry]! & (this.#chains.length - 1);
    if (this.#chains[chain] === entry + 1) this.#chains[chain] = this.#next[entry]!;
    else {
      let before = this.#chains[chain]! - 1;
      while (this.#next[before] !== entry + 1) before = this.#next[before]! - 1;
      this.#next[before] = this.#next[entry]!;
    }
    this.#putFree(entry);
  }

  #putFree(entry: number): void {
    this.#next[entry] = this.#state[FREE]!;
    this.#state[FREE] = entry + 1;
  }

  #takeFree(): number {
    const free = this.#state[FREE]!;
    if (free > 0) {
      this.#state[FREE] = this.#next[free - 1]!;
      return free - 1;
    }
    const entry = this.#state[USED_ONCE]!;
    if (entry === this.entriesMax) throw new Error("More sources hold undecided connections than there can be.");
    this.#state[USED_ONCE] = entry + 1;
    return entry;
  }
}

/** 0: nothing. */
function sizeLevel(bytes: number): number {
  if (bytes < 8) return bytes;
  const octave = 31 - Math.clz32(bytes);
  return 8 * (octave - 2) + ((bytes >> (octave - 3)) & 7);
}
