// Addresses that could not be reached a moment ago. They are tried after all others, so that a dead backend costs a connection now and
// then its time, and not every one of them. Nobody is left out for it: where all have failed, all are tried as if none had.
//
// Each worker finds out by itself, and for each route: what is too slow for one may be what another waits for. When an address's time is over, one connection tries it in its turn while the others still pass it by.

/** How long an address is passed by, and how long the one that tries it again may take to find out. */
const FAILED_MS = 10_000;
/** The one that failed first is forgotten for more. */
const ADDRESSES_MAX = 10_000;

export class FailedAddresses {
  readonly #now: () => number;
  /** Until when, by route, address and port. */
  readonly #until = new Map<string, number>();

  /** @param now milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether there is none: then nobody looks a name up here, which costs every connection more than the rest of this does. */
  get isEmpty(): boolean {
    return this.#until.size === 0;
  }

  /** Whether it is to be tried after others. */
  has(address: string): boolean {
    const until = this.#until.get(address);
    return until !== undefined && this.#now() < until;
  }

  /** It is being tried: for others it stays what it was, until that is over. */
  trying(address: string): void {
    if (!this.isEmpty && this.#until.has(address)) this.#until.set(address, this.#now() + FAILED_MS);
  }

  failed(address: string): void {
    const now = this.#now();
    for (const [first, until] of this.#until) {
      // Nobody has tried it since: its routes are gone, or have others that answer.
      if (this.#until.size < ADDRESSES_MAX && now < until + FAILED_MS) break;
      this.#until.delete(first);
    }
    this.#until.delete(address);
    this.#until.set(address, now + FAILED_MS);
  }

  answered(address: string): void {
    if (!this.isEmpty) this.#until.delete(address);
  }
}
