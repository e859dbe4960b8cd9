import type { Random } from "./random.ts";

/** One to four small changes of bytes, as damage or an attacker makes them. */
export function mutate(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let result = bytes;
  for (let left = 1 + random.below(4); left > 0; left--) result = mutateOnce(random, result, others);
  return result;
}

function mutateOnce(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  if (bytes.length === 0) return random.bytes(1 + random.below(8));
  // Half of the time near the front and in the extensions' headers, where the structure is.
  const at = random.oneIn(2) ? random.below(bytes.length) : random.below(Math.min(bytes.length, 160));
  const to = Math.min(bytes.length, at + 1 + random.below(24));
  switch (random.below(8)) {
    case 0:
      return withByte(bytes, at, bytes[at]! ^ (1 << random.below(8)));
    case 1:
      return withByte(bytes, at, random.pick([0, 1, 2, 0x10, 0x7f, 0x80, 0xff, random.below(256)]));
    case 2:
      return withByte(bytes, at, bytes[at]! + random.pick([-1, 1, -2, 2, 4, -4]));
    case 3:
      return join(bytes.subarray(0, at), random.bytes(1 + random.below(6)), bytes.subarray(at));
    case 4:
      return join(bytes.subarray(0, at), bytes.subarray(to));
    case 5:
      return join(bytes.subarray(0, to), bytes.subarray(at));
    case 6: {
      const other = random.pick(others);
      return join(bytes.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
    default: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      return join(bytes.subarray(0, at), other.subarray(from, from + to - at), bytes.subarray(to));
    }
  }
}

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const result = bytes.slice();
  result[at] = value;
  return result;
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
