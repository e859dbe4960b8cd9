// HalfSipHash-1-3 with 64 bits of output (Aumasson and Bernstein; the variant that Linux calls hsiphash): what an address or a
// hello hashes to cannot be foretold without the key, so nobody can aim at a place in a shared table. Allocates nothing.
import { randomBytes } from "node:crypto";

/** Two 32-bit words, of one process. */
export type HashKey = readonly [number, number];

/** Bytes of the longest input; what is beyond it does not count. */
const INPUT_BYTES_MAX = 256;
const FINAL_ROUNDS = 3;

export function createHashKey(): HashKey {
  const bytes = randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

export class KeyedHash {
  /** The hash of the last input, as signed 32-bit words; high is never 0, which tables take for "none". */
  high = 0;
  low = 0;
  readonly #key: HashKey;
  readonly #words = new Int32Array(INPUT_BYTES_MAX / 4 + 1);

  constructor(key: HashKey) {
    this.#key = key;
  }

  /** @param text of characters below U+0100. @param number a port, or any other 16 bits. */
  ofText(text: string, number = 0): void {
    const words = this.#words;
    const length = Math.min(text.length, INPUT_BYTES_MAX);
    let count = 0;
    let at = 0;
    for (; at + 4 <= length; at += 4) {
      words[count++] =
        text.charCodeAt(at) |
        (text.charCodeAt(at + 1) << 8) |
        (text.charCodeAt(at + 2) << 16) |
        (text.charCodeAt(at + 3) << 24);
    }
    let rest = 0;
    for (let shift = 0; at < length; at++, shift += 8) rest |= text.charCodeAt(at) << shift;
    if ((length & 3) > 0) words[count++] = rest;
    this.#run(count, (length << 16) ^ number);
  }

  /** Of the first length bytes. */
  ofBytes(bytes: Uint8Array, length: number): void {
    const words = this.#words;
    let count = 0;
    for (let at = 0; at < length; at += 4) {
      let word = 0;
      for (let each = Math.min(at + 4, length) - 1; each >= at; each--) word = (word << 8) | bytes[each]!;
      words[count++] = word;
    }
    this.#run(count, length << 16);
  }

  #run(count: number, last: number): void {
    const words = this.#words;
    words[count] = last;
    const first = count + 1 + FINAL_ROUNDS;
    const [key0, key1] = this.#key;
    let v0 = key0;
    let v1 = key1 ^ 0xee;
    let v2 = 0x6c796765 ^ key0;
    let v3 = 0x74656462 ^ key1;
    let high = 0;
    for (let round = 0; round < first + FINAL_ROUNDS; round++) {
      const word = round <= count ? words[round]! : 0;
      if (round === count + 1) v2 ^= 0xee;
      if (round === first) {
        high = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    this.high = high === 0 ? 1 : high;
    this.low = v1 ^ v3;
  }
}
