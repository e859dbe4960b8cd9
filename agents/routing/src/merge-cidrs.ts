import { type Cidr, addressOf, formatCidr, parseCidr } from "./address.ts";

interface Range {
  first: bigint;
  /** Behind the last. */
  end: bigint;
}

/** The IPv4-mapped addresses ::ffff:0:0/96. Clients that come from them are unmapped before anything is asked of them. */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * The fewest networks that cover exactly the same addresses: masked, nested and adjacent ones merged, IPv4-mapped ones as the IPv4
 * networks they stand for; IPv4 first, in the order of their addresses. Lists that cover the same give the same.
 * @param texts as parseCidr reads them. Throws TypeError for anything else.
 */
export function mergeCidrs(texts: readonly string[]): string[] {
  const cidrs = texts.map(readCidr);
  return [4, 6].flatMap((family) => {
    const bits = family === 4 ? 32 : 128;
    const ranges = cidrs.filter((cidr) => cidr.family === family).map((cidr) => toRange(cidr, bits));
    return mergeRanges(ranges).flatMap((range) => toCidrs(range, bits));
  });
}

function readCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === null) throw new TypeError(`Not a network: ${text}`);
  const mapped = cidr.prefixLength >= 96 && mappedPrefix.every((byte, i) => cidr.bytes[i] === byte);
  return mapped ? { ...addressOf(cidr.bytes.slice(12)), prefixLength: cidr.prefixLength - 96 } : cidr;
}

function toRange({ bytes, prefixLength }: Cidr, bits: number): Range {
  const first = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { first, end: first + (1n << BigInt(bits - prefixLength)) };
}

function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const last = merged.at(-1);
    if (last === undefined || range.first > last.end) merged.push({ ...range });
    else if (range.end > last.end) last.end = range.end;
  }
  return merged;
}

/** The largest network that begins where the range does and does not go beyond it, then the same of the rest. */
function toCidrs({ first, end }: Range, bits: number): string[] {
  const texts: string[] = [];
  for (let at = first; at < end;) {
    let hostBits = 0;
    while (hostBits < bits && at % (1n << BigInt(hostBits + 1)) === 0n && at + (1n << BigInt(hostBits + 1)) <= end) {
      hostBits++;
    }
    texts.push(formatCidr({ ...addressOf(toBytes(at, bits)), prefixLength: bits - hostBits }));
    at += 1n << BigInt(hostBits);
  }
  return texts;
}

function toBytes(value: bigint, bits: number): Uint8Array {
  const count = bits / 8;
  return Uint8Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * (count - 1 - i))) & 0xffn));
}
