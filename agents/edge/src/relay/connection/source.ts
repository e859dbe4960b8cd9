import { parseAddress } from "@helloway/routing/address";

/** "::ffff:192.0.2.1" is 192.0.2.1 to everything but the kernel. Any other text as it is. */
export function unmapped(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** What counts as one source: an IPv4 address, or the /64 of an IPv6 address. @param address unmapped. */
export function sourceKey(address: string): string {
  if (!address.includes(":")) return address;
  const zone = address.indexOf("%");
  const parsed = parseAddress(zone === -1 ? address : address.slice(0, zone));
  return parsed === null ? address : Buffer.from(parsed.bytes.subarray(0, 8)).toString("hex");
}
