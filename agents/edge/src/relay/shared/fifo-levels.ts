// Entries of a shared table in lists by level, in the order in which they came to it: what has the highest level is found at
// once, however many there are. The caller holds the table's lock.

/** For structured cloning. */
export interface FifoLevelsMemory {
  readonly levels: number;
  readonly lists: SharedArrayBuffer;
  readonly links: SharedArrayBuffer;
}

/** @param levels the highest. */
export function createFifoLevels(entries: number, levels: number): FifoLevelsMemory {
  return {
    levels,
    lists: new SharedArrayBuffer((1 + 2 * (levels + 1)) * 4),
    links: new SharedArrayBuffer(3 * entries * 4),
  };
}

export class FifoLevels {
  readonly #max: number;
  /** No list above this one holds anything; one word. */
  readonly #top: Int32Array;
  // Here and below an entry is its index + 1, and 0 is none: that is what fresh memory holds.
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  readonly #level: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor({ levels, lists, links }: FifoLevelsMemory) {
    const entries = links.byteLength / 12;
    this.#max = levels;
    this.#top = new Int32Array(lists, 0, 1);
    this.#heads = new Int32Array(lists, 4, levels + 1);
    this.#tails = new Int32Array(lists, 4 * (levels + 2), levels + 1);
    this.#level = new Int32Array(links, 0, entries);
    this.#next = new Int32Array(links, 4 * entries, entries);
    this.#previous = new Int32Array(links, 8 * entries, entries);
  }

  /** To the end of its level's list, unless it is in that already. @param level 0: in none. */
  place(entry: number, level: number): void {
    const to = Math.min(level, this.#max);
    const from = this.#level[entry]!;
    if (from === to) return;
    if (from > 0) this.#unlink(entry, from);
    this.#level[entry] = to;
    if (to === 0) return;
    const last = this.#tails[to]!;
    this.#previous[entry] = last;
    this.#next[entry] = 0;
    if (last === 0) this.#heads[to] = entry + 1;
    else this.#next[last - 1] = entry + 1;
    this.#tails[to] = entry + 1;
    if (to > this.#top[0]!) this.#top[0] = to;
  }

  /** The one that has been longest in the highest list; -1: all are empty. */
  first(): number {
    let top = this.#top[0]!;
    while (top > 0 && this.#heads[top] === 0) top--;
    this.#top[0] = top;
    return top === 0 ? -1 : this.#heads[top]! - 1;
  }

  clear(): void {
    this.#top[0] = 0;
    this.#heads.fill(0);
    this.#tails.fill(0);
    this.#level.fill(0);
  }

  #unlink(entry: number, level: number): void {
    const before = this.#previous[entry]!;
    const after = this.#next[entry]!;
    if (before === 0) this.#heads[level] = after;
    else this.#next[before - 1] = after;
    if (after === 0) this.#tails[level] = before;
    else this.#previous[after - 1] = before;
  }
}
