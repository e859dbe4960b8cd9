/** One exchange with the control plane: when it was asked and answered here, and what its clock showed in between. */
interface Sample {
  offsetMs: number;
  roundTripMs: number;
  takenAt: number;
}

/** Older ones say little of a clock that may have been set since. */
const sampleAgeMaxMs = 10 * 60_000;
const samplesMax = 16;

/** This machine's clock plus the offset measured to the control plane's: by the quickest exchange of the last minutes. */
export class CorrectedClock {
  readonly #now: () => number;
  #samples: Sample[] = [];

  /** @param now milliseconds since 1970-01-01 UTC, by this machine. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Milliseconds since 1970-01-01 UTC, as near to the control plane's as is known; whole. */
  now(): number {
    return Math.round(this.#now() + this.offsetMs());
  }

  /** This machine's clock as it is, for the times that observe() takes. */
  localNow(): number {
    return this.#now();
  }

  /** 0 before the first measurement. */
  offsetMs(): number {
    const oldest = this.#now() - sampleAgeMaxMs;
    const recent = this.#samples.filter((sample) => sample.takenAt >= oldest);
    const candidates = recent.length > 0 ? recent : this.#samples.slice(-1);
    const [first, ...rest] = candidates;
    if (first === undefined) return 0;
    return rest.reduce((best, sample) => (sample.roundTripMs < best.roundTripMs ? sample : best), first).offsetMs;
  }

  /** @param serverTimeMs what the control plane's clock showed between the two local times. */
  observe(sentAt: number, receivedAt: number, serverTimeMs: number): void {
    const roundTripMs = receivedAt - sentAt;
    // Negative: the local clock was set back in between.
    if (roundTripMs < 0) return;
    const offsetMs = serverTimeMs - (sentAt + roundTripMs / 2);
    this.#samples = [...this.#samples, { offsetMs, roundTripMs, takenAt: receivedAt }].slice(-samplesMax);
  }
}
