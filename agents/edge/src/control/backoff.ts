/**
 * Delays between attempts with full jitter: each is anywhere between zero and a bound that doubles, so that a fleet which lost its
 * control plane at one moment does not come back at one.
 */
export class Backoff {
  readonly #first: number;
  readonly #max: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(bounds: { firstMs: number; maxMs: number }, random: () => number = Math.random) {
    this.#first = bounds.firstMs;
    this.#max = bounds.maxMs;
    this.#random = random;
  }

  /** How long to wait before the next attempt. */
  nextMs(): number {
    const bound = Math.min(this.#max, this.#first * 2 ** this.#attempts);
    if (bound < this.#max) this.#attempts++;
    return this.#random() * bound;
  }

  /** An attempt succeeded. */
  reset(): void {
    this.#attempts = 0;
  }
}
