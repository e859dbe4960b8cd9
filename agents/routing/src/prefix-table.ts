// Longest prefix match. Overlapping networks are flattened once into disjoint ranges, so that a lookup is one binary search over
// a typed array: no allocation, and no dependence on how deeply networks nest.
import type { Address, Cidr } from "./address.ts";

interface Ranges<V> {
  /** First address of each range as 32-bit words, ascending; a range ends where the next begins. */
  starts: Uint32Array;
  values: readonly (V | undefined)[];
}

/** Immutable. Of the networks that contain an address the longest prefix counts; of equal ones the last given. */
export class PrefixTable<V> {
  readonly #ipv4: Ranges<V>;
  readonly #ipv6: Ranges<V>;

  constructor(entries: Iterable<readonly [Cidr, V]>) {
    const all = [...entries];
    this.#ipv4 = flatten(
      all.filter(([cidr]) => cidr.family === 4),
      1,
    );
    this.#ipv6 = flatten(
      all.filter(([cidr]) => cidr.family === 6),
      4,
    );
  }

  /** undefined: in no network. */
  lookup(address: Pick<Address, "bytes">): V | undefined {
    const { bytes } = address;
    if (bytes.length === 4) return this.#ipv4.values[lastStart4(this.#ipv4.starts, word(bytes, 0))];
    return this.#ipv6.values[lastStart16(this.#ipv6.starts, bytes)];
  }
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Index of the last range that starts at or before the address; -1: none. */
function lastStart4(starts: Uint32Array, address: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function lastStart16(starts: Uint32Array, bytes: Uint8Array): number {
  const a = word(bytes, 0);
  const b = word(bytes, 4);
  const c = word(bytes, 8);
  const d = word(bytes, 12);
  let low = 0;
  let high = starts.length / 4;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = 4 * middle;
    const difference = starts[at]! - a || starts[at + 1]! - b || starts[at + 2]! - c || starts[at + 3]! - d;
    if (difference <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** @param words 32-bit words of an address. */
function flatten<V>(entries: (readonly [Cidr, V])[], words: 1 | 4): Ranges<V> {
  const bits = BigInt(words * 32);
  const networks = entries.map(([cidr, value]) => {
    const start = toInteger(cidr.bytes);
    return { start, end: start + (1n << (bits - BigInt(cidr.prefixLength))), prefixLength: cidr.prefixLength, value };
  });
  // Outer networks first; the sort is stable, so that of equal networks the last given ends up innermost.
  networks.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.prefixLength - b.prefixLength));

  const starts: bigint[] = [];
  const values: (V | undefined)[] = [];
  const begin = (start: bigint, value: V | undefined): void => {
    if (starts.at(-1) === start) values[values.length - 1] = value;
    else {
      starts.push(start);
      values.push(value);
    }
  };
  const open: { end: bigint; value: V }[] = [];
  const closeUntil = (limit: bigint): void => {
    for (let last = open.at(-1); last && last.end <= limit; last = open.at(-1)) {
      open.pop();
      begin(last.end, open.at(-1)?.value);
    }
  };
  for (const network of networks) {
    closeUntil(network.start);
    begin(network.start, network.value);
    open.push(network);
  }
  const afterLast = 1n << bits;
  closeUntil(afterLast);
  if (starts.at(-1) === afterLast) {
    starts.pop();
    values.pop();
  }
  return { starts: toWords(starts, words), values };
}

function toInteger(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function toWords(starts: readonly bigint[], words: number): Uint32Array {
  const result = new Uint32Array(starts.length * words);
  for (const [i, start] of starts.entries()) {
    for (let j = 0; j < words; j++) {
      result[i * words + j] = Number((start >> BigInt(32 * (words - 1 - j))) & 0xffff_ffffn);
    }
  }
  return result;
}
