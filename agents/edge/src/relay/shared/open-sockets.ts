// How many sockets of connections an edge has open, over all of its workers, against what its process may have. Whoever would be
// one too many is told so: a system that runs out of descriptors closes clients without a word, and may spin while they wait.
//
// Invariants:
// - A worker writes its own word alone. The sum is a moment old: each worker may be some sockets over the bound, for which the bound
//   leaves room.

/** Words are a cache line apart. */
const STRIDE = 16;

/** For structured cloning. */
export interface OpenSocketsMemory {
  readonly max: number;
  readonly words: SharedArrayBuffer;
}

/** @param max Infinity: no bound. */
export function createOpenSockets(workers: number, max: number): OpenSocketsMemory {
  return { max, words: new SharedArrayBuffer(workers * STRIDE * 4) };
}

/** For the main thread, once the worker's thread has ended and before another one gets its number. */
export function forgetOpenSockets({ words }: OpenSocketsMemory, worker: number): void {
  new Int32Array(words)[worker * STRIDE] = 0;
}

export class OpenSockets {
  readonly #max: number;
  readonly #words: Int32Array;
  readonly #own: number;

  constructor({ max, words }: OpenSocketsMemory, worker: number) {
    this.#max = max;
    this.#words = new Int32Array(words);
    this.#own = worker * STRIDE;
  }

  /** Whether there is no room for another one. */
  get isFull(): boolean {
    let open = 0;
    for (let at = 0; at < this.#words.length; at += STRIDE) open += this.#words[at]!;
    return open >= this.#max;
  }

  add(): void {
    this.#words[this.#own]!++;
  }

  remove(): void {
    this.#words[this.#own]!--;
  }
}
