// One direction of a connection under bytesPerSecond: arithmetic alone, whoever copies keeps the timer. Bytes are told of after they
// were forwarded; what goes beyond the bucket is waited for before more is read.

/** The bucket holds this much of a second's worth, or one read of a socket, whichever is more. */
const BURST_SECONDS = 0.1;
const READ_BYTES_MAX = 131_072;

export class Bandwidth {
  readonly #bytesPerSecond: number;
  readonly #burst: number;
  /** Below 0: bytes that were forwarded ahead of their time. */
  #allowed: number;
  #reckonedAt: number;

  /** @param bytesPerSecond above 0. @param now milliseconds of a monotonic clock. */
  constructor(bytesPerSecond: number, now: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#burst = Math.max(bytesPerSecond * BURST_SECONDS, READ_BYTES_MAX);
    this.#allowed = this.#burst;
    this.#reckonedAt = now;
  }

  /** @param bytes just forwarded. Whole milliseconds for which nothing more may be read; 0: none. */
  pauseMs(bytes: number, now: number): number {
    const elapsed = Math.max(0, now - this.#reckonedAt);
    this.#reckonedAt += elapsed;
    this.#allowed = Math.min(this.#burst, this.#allowed + (elapsed * this.#bytesPerSecond) / 1000) - bytes;
    return this.#allowed >= 0 ? 0 : Math.ceil((-this.#allowed / this.#bytesPerSecond) * 1000);
  }
}
