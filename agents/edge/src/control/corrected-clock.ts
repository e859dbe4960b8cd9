/** One exchange with the control plane: when it was asked and answered here, and what its clock showed in between. */
interface Sample {
  offsetMs: number;
  roundTripMs: number;
  takenAt: number;
  /** The wall clock minus the monotonic one at that moment. */
  skewMs: number;
}

/** Older ones say little of a clock that drifts. */
const sampleAgeMaxMs = 10 * 60_000;
const samplesMax = 16;
/** The wall clock went on by that much more or less than time did: it was set, or the machine slept. Slewing stays far below it. */
const stepMinMs = 1_000;

/** This machine's clock plus the offset measured to the control plane's: by the quickest exchange of the last minutes. */
export class CorrectedClock {
  readonly #now: () => number;
  readonly #monotonic: () => number;
  #samples: Sample[] = [];

  /**
   * @param now milliseconds since 1970-01-01 UTC, by this machine.
   * @param monotonic milliseconds since whenever, never set.
   */
  constructor(now: () => number = Date.now, monotonic: () => number = () => performance.now()) {
    this.#now = now;
    this.#monotonic = monotonic;
  }

  /** Milliseconds since 1970-01-01 UTC, as near to the control plane's as is known; whole. */
  now(): number {
    return Math.round(this.#now() + this.offsetMs());
  }

  /** This machine's clock as it is, for the times that observe() takes. */
  localNow(): number {
    return this.#now();
  }

  /** 0 before the first measurement, and after this machine's clock was set, until the next. */
  offsetMs(): number {
    const skewMs = this.#skewMs();
    const valid = this.#samples.filter((sample) => Math.abs(sample.skewMs - skewMs) < stepMinMs);
    const oldest = this.#now() - sampleAgeMaxMs;
    const recent = valid.filter((sample) => sample.takenAt >= oldest);
    const candidates = recent.length > 0 ? recent : valid.slice(-1);
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
    const sample = { offsetMs, roundTripMs, takenAt: receivedAt, skewMs: this.#skewMs() };
    this.#samples = [...this.#samples, sample].slice(-samplesMax);
  }

  #skewMs(): number {
    return this.#now() - this.#monotonic();
  }
}
