// IPv6 addresses that carry an IPv4 one. A packet to such an address may end at the IPv4 address, so a policy that looked at
// the outer form alone could be walked around by spelling.

/** What Cidr of address.ts has; here so that the two files do not need each other. */
interface Prefix {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

export interface EmbeddedIpv4 {
  /** The form, for messages. */
  form: string;
  /** The IPv4 addresses it may lead to, the most likely first; where more than one, all must be judged. */
  readings: [Uint8Array, ...Uint8Array[]];
  /** The address may also be an ordinary IPv6 host and must be judged as one too. */
  alsoItself: boolean;
}

/** Prefix lengths that RFC 6052, section 2.2 defines, with the bytes that hold the IPv4 address (byte 8 is skipped). */
const rfc6052Bytes: ReadonlyMap<number, readonly [number, number, number, number]> = new Map([
  [32, [4, 5, 6, 7]],
  [40, [5, 6, 7, 9]],
  [48, [6, 7, 9, 10]],
  [56, [7, 9, 10, 11]],
  [64, [9, 10, 11, 12]],
  [96, [12, 13, 14, 15]],
]);

export const nat64PrefixLengths: readonly number[] = [...rfc6052Bytes.keys()];

/**
 * What an IPv6 address carries; null: nothing, or not IPv6.
 * @param bytes 4 or 16.
 * @param nat64Prefixes further NAT64 prefixes, of the lengths of RFC 6052.
 */
export function embeddedIpv4(bytes: Uint8Array, nat64Prefixes: readonly Prefix[]): EmbeddedIpv4 | null {
  if (bytes.length !== 16) return null;
  for (const prefix of nat64Prefixes) {
    const at = rfc6052Bytes.get(prefix.prefixLength);
    if (at !== undefined && startsWith(bytes, prefix.bytes.subarray(0, prefix.prefixLength / 8))) {
      return one("NAT64 (this pool's prefix)", pick(bytes, at));
    }
  }
  if (isZero(bytes, 0, 10)) return lowEmbedding(bytes);
  if (isZero(bytes, 0, 8) && startsWith(bytes.subarray(8), [0xff, 0xff, 0, 0])) {
    return one("IPv4-translated (RFC 2765, section 2.1)", bytes.slice(12));
  }
  if (startsWith(bytes, [0, 0x64, 0xff, 0x9b])) {
    if (isZero(bytes, 4, 12)) return one("NAT64 (RFC 6052)", bytes.slice(12));
    if (bytes[4] === 0 && bytes[5] === 1) return localNat64(bytes);
  }
  if (startsWith(bytes, [0x20, 0x02])) return one("6to4 (RFC 3056)", bytes.slice(2, 6));
  if (startsWith(bytes, [0x20, 0x01, 0, 0])) {
    const client = bytes.slice(12).map((byte) => byte ^ 0xff);
    return { form: "Teredo (RFC 4380)", readings: [client, bytes.slice(4, 8)], alsoItself: false };
  }
  // RFC 5214, section 6.1: the interface identifier is 00-00-5E-FE and the IPv4 address; the two lowest bits are u and g.
  if ((bytes[8]! & 0xfc) === 0 && startsWith(bytes.subarray(9), [0, 0x5e, 0xfe])) {
    return { form: "ISATAP (RFC 5214)", readings: [bytes.slice(12)], alsoItself: true };
  }
  return null;
}

/** ::/80: v4-mapped, v4-compatible, and :: and ::1, which are addresses of their own. */
function lowEmbedding(bytes: Uint8Array): EmbeddedIpv4 | null {
  if (bytes[10] === 0xff && bytes[11] === 0xff) return one("v4-mapped (RFC 4291)", bytes.slice(12));
  if (bytes[10] !== 0 || bytes[11] !== 0) return null;
  const own = isZero(bytes, 12, 15) && bytes[15]! <= 1;
  return own ? null : one("v4-compatible (RFC 4291)", bytes.slice(12));
}

/**
 * 64:ff9b:1::/48 (RFC 8215): networks cut NAT64 prefixes of any length of RFC 6052 out of it, and the address does not say
 * which. The suffix after the IPv4 address is zero in all of them, which rules most readings out.
 */
function localNat64(bytes: Uint8Array): EmbeddedIpv4 {
  const readings: Uint8Array[] = [];
  for (const [length, at] of rfc6052Bytes) {
    if (length < 48) continue;
    const suffixIsZero = length === 96 || (bytes[8] === 0 && isZero(bytes, at[3] + 1, 16));
    if (suffixIsZero) readings.push(pick(bytes, at));
  }
  const last = readings.pop()!;
  const [first, ...rest] = readings;
  // An IPv4 address of all zeros in the last place means that the address is further to the front.
  if (first !== undefined && isZero(last, 0, 4)) {
    return { form: "NAT64 (RFC 8215)", readings: [first, ...rest], alsoItself: false };
  }
  return { form: "NAT64 (RFC 8215)", readings: [last, ...readings], alsoItself: false };
}

function one(form: string, inner: Uint8Array): EmbeddedIpv4 {
  return { form, readings: [inner], alsoItself: false };
}

function pick(bytes: Uint8Array, at: readonly number[]): Uint8Array {
  return Uint8Array.from(at, (i) => bytes[i]!);
}

function startsWith(bytes: Uint8Array, prefix: ArrayLike<number>): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}
