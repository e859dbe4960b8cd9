// What a worker keeps of its clients while their backends are dialled: a dial may take ten seconds, and nobody but the client
// decides how much it sends meanwhile. A budget of bytes, so that a backend that does not answer cannot take the memory of
// everybody.
//
// Invariants:
// - A newcomer is always taken. Over the budget the oldest goes instead: it waits for a backend that answers late or never, while
//   whose backend answers is gone from here within milliseconds, however much others send.
// - Who keeps little (UNCOUNTED_BYTES_MAX) is not in it and costs one comparison: that is every ordinary client, and their number is
//   bounded by the sockets.
// - What a place holds is given back once, by remove(), whoever calls it first.

/** Twice a hello with post-quantum key shares. */
export const UNCOUNTED_BYTES_MAX = 4_096;

/** What the budget needs of a connection. */
export interface DiallingClient {
  /** Has to let go of what it keeps before it returns. */
  crowdedOut(): void;
}

/** A connection in the budget, between those that came before and after it. */
export interface DiallingPlace {
  readonly client: DiallingClient;
  bytes: number;
  removed: boolean;
  before: DiallingPlace | null;
  after: DiallingPlace | null;
}

export class DiallingBytes {
  readonly #max: number;
  #bytes = 0;
  #first: DiallingPlace | null = null;
  #last: DiallingPlace | null = null;

  /** @param max bytes, of this worker. */
  constructor(max: number) {
    this.#max = max;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A place that holds nothing yet. */
  add(client: DiallingClient): DiallingPlace {
    const place: DiallingPlace = { client, bytes: 0, removed: false, before: this.#last, after: null };
    if (this.#last) this.#last.after = place;
    else this.#first = place;
    this.#last = place;
    return place;
  }

  /** It holds this many bytes from now on. Whoever has to go for that goes at once; it may be the client itself. */
  hold(place: DiallingPlace, bytes: number): void {
    if (place.removed) return;
    this.#bytes += bytes - place.bytes;
    place.bytes = bytes;
    while (this.#bytes > this.#max && this.#first) {
      const oldest = this.#first;
      this.remove(oldest);
      oldest.client.crowdedOut();
    }
  }

  remove(place: DiallingPlace): void {
    if (place.removed) return;
    place.removed = true;
    this.#bytes -= place.bytes;
    if (place.before) place.before.after = place.after;
    else this.#first = place.after;
    if (place.after) place.after.before = place.before;
    else this.#last = place.before;
  }
}
