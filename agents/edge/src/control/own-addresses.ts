import { networkInterfaces } from "node:os";
import { parseAddress, parseCidr, cidrContains } from "@helloway/routing/address";
import type { Address } from "@helloway/routing/address";
import type { ListenerAddress } from "../relay/relay.ts";

/** No client on another machine reaches these: unspecified, loopback, link-local. */
const localNetworks = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/128", "::1/128", "fe80::/10"].flatMap(
  (text) => parseCidr(text) ?? [],
);

/** Whether the address can be one that clients elsewhere connect to. */
export function isReachable(address: Address): boolean {
  return !localNetworks.some((network) => cidrContains(network, address));
}

/**
 * The addresses that an edge with these listeners has: theirs, and for a wildcard listener those of the host's interfaces of its
 * family. Canonical text, each once.
 */
export function ownAddresses(
  listeners: readonly ListenerAddress[],
  interfaces: readonly string[] = interfaceAddresses(),
): string[] {
  const addresses = new Set<string>();
  for (const listener of listeners) {
    const own = parseAddress(listener.address);
    if (own === null) continue;
    const isWildcard = own.bytes.every((byte) => byte === 0);
    const candidates = isWildcard ? interfaces.flatMap((text) => parseAddress(text) ?? []) : [own];
    for (const candidate of candidates) {
      if (candidate.family === own.family && isReachable(candidate)) addresses.add(candidate.text);
    }
  }
  return [...addresses];
}

/** Whether this host has IPv6 at all. */
export function hasIpv6(): boolean {
  return interfaceAddresses().some((address) => address.includes(":"));
}

function interfaceAddresses(): string[] {
  // Without the zone that the system appends to link-local ones.
  return Object.values(networkInterfaces()).flatMap((infos) =>
    (infos ?? []).map(({ address }) => address.split("%")[0] ?? ""),
  );
}
