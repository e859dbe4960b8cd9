// A bounded hash table in shared memory: what an edge counts over all of its workers. The main thread makes it, every worker opens
// it. A key's entry holds two numbers, whose meaning is the user's, and a count: the sum of one column for each worker, kept beside
// them so that it costs the same with 64 workers as with one.
//
// An entry is in the bucket that its key names, and one lock guards a bucket. Whoever enter()s a key holds that lock until leave().
//
// Invariants:
// - Counts change under the lock alone, the worker's column first. Whoever enters an entry decides by what is so at that moment.
// - Only an entry whose count is 0 and that nobody entered for REUSE_AFTER_MS is given to another key: an index stays good for as
//   long as something is counted there. Users keep in the numbers only what means nothing after that time.
// - A bucket fills from its front and never has gaps, and after every single store its keys are whole. A worker may die at any point:
//   the main thread takes its locks, clears its columns and adds up the others anew, and nothing of it is left.
// - Fresh memory is an empty table, and what is never touched takes none.
// - Locks nest in one order only, that of the tables (limits/route-limiter.ts); within one table never.
import { createHashKey, type HashKey, KeyedHash } from "./keyed-hash.ts";
import { WorkerLock } from "./worker-lock.ts";

const ENTRIES_DEFAULT = 65_536;
/** Entries of one bucket. In a table that is half in use a few of 10,000 new keys find no place, in one that is a quarter in use none. */
const BUCKET_ENTRIES = 32;
/** Locks are kept this many words apart, a cache line: workers in different buckets do not disturb each other. */
const LOCK_STRIDE = 16;
/** The numbers of one entry. */
export const ENTRY_NUMBERS = 2;
/** Milliseconds; a token bucket that holds one second's worth is full again by then, and so is one of a new entry. */
export const REUSE_AFTER_MS = 1_000;

/** For structured cloning. */
export interface SharedEntriesMemory {
  readonly hashKey: HashKey;
  readonly workers: number;
  readonly locks: SharedArrayBuffer;
  readonly keys: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly columns: SharedArrayBuffer;
}

/** @param entries rounded up to 32 times a power of two. @param workers numbered 0, 1, 2 ... below this. */
export function createSharedEntries({
  entries = ENTRIES_DEFAULT,
  workers,
}: {
  entries?: number;
  workers: number;
}): SharedEntriesMemory {
  let buckets = 1;
  while (buckets * BUCKET_ENTRIES < entries) buckets *= 2;
  const size = buckets * BUCKET_ENTRIES;
  return {
    hashKey: createHashKey(),
    workers,
    locks: new SharedArrayBuffer(buckets * LOCK_STRIDE * 4),
    keys: new SharedArrayBuffer(size * 8),
    numbers: new SharedArrayBuffer(size * (ENTRY_NUMBERS + 1) * 8),
    counts: new SharedArrayBuffer(size * 4),
    columns: new SharedArrayBuffer(size * workers * 4),
  };
}

export class SharedEntries {
  /** Makes keys: any words of one of its hashes. */
  readonly hash: KeyedHash;
  /** ENTRY_NUMBERS from index * ENTRY_NUMBERS on; 0 in a new entry. Read and written between enter() and leave(). */
  readonly numbers: Float64Array;
  readonly #worker: number;
  readonly #workers: number;
  readonly #bucketMask: number;
  readonly #locks: readonly WorkerLock[];
  // A key's first word is 0 where there is no entry.
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  readonly #enteredAt: Float64Array;
  readonly #counts: Int32Array;
  readonly #columns: Int32Array;

  /** @param worker this thread's number, or MAIN_THREAD, which has no column: it only looks and forgets. */
  constructor({ hashKey, workers, locks, keys, numbers, counts, columns }: SharedEntriesMemory, worker: number) {
    const size = keys.byteLength / 8;
    const lockWords = new Int32Array(locks);
    this.hash = new KeyedHash(hashKey);
    this.#worker = worker;
    this.#workers = workers;
    this.#bucketMask = size / BUCKET_ENTRIES - 1;
    this.#locks = Array.from(
      { length: size / BUCKET_ENTRIES },
      (_, bucket) => new WorkerLock(lockWords, bucket * LOCK_STRIDE, worker),
    );
    this.#high = new Int32Array(keys, 0, size);
    this.#low = new Int32Array(keys, size * 4, size);
    this.numbers = new Float64Array(numbers, 0, size * ENTRY_NUMBERS);
    this.#enteredAt = new Float64Array(numbers, size * ENTRY_NUMBERS * 8, size);
    this.#counts = new Int32Array(counts);
    this.#columns = new Int32Array(columns);
  }

  /**
   * The index of a key's entry, made if need be, with its lock held: leave() it after a few loads and stores. -1, with no lock held:
   * its bucket is full of what is in use, and the caller goes without.
   * @param high not 0. @param now of the edge's clock, milliseconds.
   */
  enter(high: number, low: number, now: number): number {
    const bucket = low & this.#bucketMask;
    this.#locks[bucket]!.acquire();
    const index = this.#place(bucket * BUCKET_ENTRIES, high, low, now);
    if (index === -1) this.#locks[bucket]!.release();
    else this.#enteredAt[index] = now;
    return index;
  }

  leave(index: number): void {
    this.#locks[(index / BUCKET_ENTRIES) | 0]!.release();
  }

  /** The index of a key's entry, or -1. Nothing is held: it may belong to another key by the time it is looked at. */
  find(high: number, low: number): number {
    const first = (low & this.#bucketMask) * BUCKET_ENTRIES;
    for (let index = first; index < first + BUCKET_ENTRIES; index++) {
      const found = this.#high[index];
      if (found === high && this.#low[index] === low) return index;
      if (found === 0) return -1;
    }
    return -1;
  }

  /** Whether an entry that was found is still the key's. */
  holds(index: number, high: number, low: number): boolean {
    return this.#high[index] === high && this.#low[index] === low;
  }

  /** Over all workers. Exact between enter() and leave(), a moment old otherwise. */
  count(index: number): number {
    return this.#counts[index]!;
  }

  /** Counts one more of this worker's. Between enter() and leave(). */
  add(index: number): void {
    this.#columns[index * this.#workers + this.#worker]!++;
    this.#counts[index]!++;
  }

  /** Counts one less of this worker's. Takes the entry's lock by itself. @param index of an add(); -1: there was none. */
  remove(index: number): void {
    if (index === -1) return;
    const lock = this.#locks[(index / BUCKET_ENTRIES) | 0]!;
    lock.acquire();
    this.#columns[index * this.#workers + this.#worker]!--;
    this.#counts[index]!--;
    lock.release();
  }

  /**
   * Takes back what a worker whose thread has ended held and counted; others may be waiting for its locks. The main thread's alone,
   * by forgetEntries(). The bucket that somebody else holds, to go on from a little later; null: everything is taken back.
   */
  forgetWorker(worker: number, from = 0): number | null {
    for (let bucket = from; bucket < this.#locks.length; bucket++) {
      const lock = this.#locks[bucket]!;
      if (!lock.takeFrom(worker) && !lock.tryAcquire()) return bucket;
      for (let index = bucket * BUCKET_ENTRIES; index < (bucket + 1) * BUCKET_ENTRIES; index++) {
        if (this.#high[index] === 0) break;
        this.#forgetAt(index, worker);
      }
      lock.release();
    }
    return null;
  }

  #forgetAt(index: number, worker: number): void {
    const first = index * this.#workers;
    this.#columns[first + worker] = 0;
    let count = 0;
    for (let at = first; at < first + this.#workers; at++) count += this.#columns[at]!;
    this.#counts[index] = count;
  }

  #place(first: number, high: number, low: number, now: number): number {
    let oldest = -1;
    let oldestAt = now - REUSE_AFTER_MS;
    for (let index = first; index < first + BUCKET_ENTRIES; index++) {
      const found = this.#high[index];
      if (found === high && this.#low[index] === low) return index;
      if (found === 0) return this.#give(index, high, low);
      if (this.#enteredAt[index]! <= oldestAt && this.count(index) === 0) {
        oldest = index;
        oldestAt = this.#enteredAt[index]!;
      }
    }
    return oldest === -1 ? -1 : this.#give(oldest, high, low);
  }

  #give(index: number, high: number, low: number): number {
    for (let each = 0; each < ENTRY_NUMBERS; each++) this.numbers[index * ENTRY_NUMBERS + each] = 0;
    this.#low[index] = low;
    this.#high[index] = high;
    return index;
  }
}
