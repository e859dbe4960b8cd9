import { setImmediate as nextTurn } from "node:timers/promises";

/** How long one slice of work may hold the event loop. */
const SLICE_MS = 2;

/** Work that takes long, in slices between which everything else has its turn. */
export class Pace {
  #since = performance.now();

  /** Whether the slice is over: then turn() is to be awaited. */
  get isDue(): boolean {
    return performance.now() - this.#since >= SLICE_MS;
  }

  async turn(): Promise<void> {
    await nextTurn();
    this.#since = performance.now();
  }
}
