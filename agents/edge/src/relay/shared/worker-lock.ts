// A lock that threads of one process hold for a few loads and stores each. The word says who holds it, so that it can be taken
// from a thread that died with it.
//
// Invariants:
// - Nothing that waits, posts or calls back happens while it is held.
// - Whoever takes it from the dead makes what it guards whole again before letting go of it.

/** How the main thread, which is no worker, holds it. */
export const MAIN_THREAD = -2;

/** A holder is gone from its core for longer than its few steps take only when the system gave the core to another thread. */
const SPINS_BEFORE_SLEEP = 1_000;
const SLEEP_MS = 1;

export class WorkerLock {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #holder: number;

  /** @param at index of its word, 0 while it is free. @param worker 0, 1, 2 ... or MAIN_THREAD. */
  constructor(words: Int32Array, at: number, worker: number) {
    this.#words = words;
    this.#at = at;
    this.#holder = worker + 1;
  }

  tryAcquire(): boolean {
    return Atomics.compareExchange(this.#words, this.#at, 0, this.#holder) === 0;
  }

  acquire(): void {
    if (!this.tryAcquire()) this.#wait();
  }

  release(): void {
    Atomics.store(this.#words, this.#at, 0);
  }

  /** Takes it from a worker whose thread has ended. False: that worker does not hold it. */
  takeFrom(worker: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at, worker + 1, this.#holder) === worker + 1;
  }

  #wait(): void {
    for (let spins = 1; !this.tryAcquire(); spins++) {
      if (spins % SPINS_BEFORE_SLEEP > 0) continue;
      const holder = Atomics.load(this.#words, this.#at);
      if (holder !== 0) Atomics.wait(this.#words, this.#at, holder, SLEEP_MS);
    }
  }
}
