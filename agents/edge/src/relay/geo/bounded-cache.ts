/** Forgets everything when it is full: what is in use is back at once, and nothing has to be kept in an order. */
export class BoundedCache {
  readonly #entriesMax: number;
  readonly #entries = new Map<string | number, unknown>();

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get(key: string | number): unknown {
    return this.#entries.get(key);
  }

  set(key: string | number, value: unknown): void {
    if (this.#entries.size >= this.#entriesMax) this.#entries.clear();
    this.#entries.set(key, value);
  }
}
