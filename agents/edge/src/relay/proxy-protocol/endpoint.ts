import { addressOf, type Address } from "@helloway/routing/address";

/** One end of a TCP connection. */
export interface Endpoint {
  address: Address;
  /** 0 to 65535: a header may carry 0. */
  port: number;
}

const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** The endpoint of a header's bytes. A v4-mapped address is the IPv4 address that it spells. @param bytes 4 or 16; copied. */
export function endpointOf(bytes: Uint8Array, port: number): Endpoint {
  return { address: addressOf(isMapped(bytes) ? bytes.slice(MAPPED_PREFIX.length) : bytes.slice()), port };
}

/** The 16 bytes of an address: an IPv4 one as v4-mapped. */
export function ipv6Bytes({ bytes }: Pick<Address, "bytes">): Uint8Array {
  if (bytes.length === 16) return bytes;
  const mapped = new Uint8Array(16);
  mapped.set(MAPPED_PREFIX);
  mapped.set(bytes, MAPPED_PREFIX.length);
  return mapped;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && MAPPED_PREFIX.every((byte, i) => bytes[i] === byte);
}
