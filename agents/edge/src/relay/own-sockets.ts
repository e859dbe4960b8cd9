import { networkInterfaces } from "node:os";
import { parseAddress } from "@helloway/routing/address";
import type { ListenerAddress } from "./relay.ts";

/**
 * Sockets as the address policy needs them: a wildcard also counts on every address that this host has now. So does a name
 * ("localhost"), which may be any of them: a socket that the policy did not know of would be a way around it.
 */
export function ownSockets(sockets: readonly ListenerAddress[]): ListenerAddress[] {
  const hostAddresses = Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address }) => address),
  );
  return sockets
    .filter(({ port }) => port !== 0)
    .flatMap(({ address, port }) => {
      const exact = parseAddress(address)?.bytes.some((byte) => byte !== 0) ?? false;
      const addresses = exact ? [address] : ["0.0.0.0", ...hostAddresses];
      return addresses.filter((each) => parseAddress(each) !== null).map((each) => ({ address: each, port }));
    });
}
