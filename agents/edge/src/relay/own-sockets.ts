import { networkInterfaces } from "node:os";
import { parseAddress } from "@helloway/routing/address";
import type { ListenerAddress } from "./relay.ts";

/** Sockets as the address policy needs them: a wildcard also counts on every address that this host has now. */
export function ownSockets(sockets: readonly ListenerAddress[]): ListenerAddress[] {
  const hostAddresses = Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address }) => address),
  );
  return sockets
    .filter(({ port }) => port !== 0)
    .flatMap(({ address, port }) => {
      const wildcard = parseAddress(address)?.bytes.every((byte) => byte === 0) ?? false;
      const addresses = wildcard ? [address, ...hostAddresses] : [address];
      return addresses.filter((each) => parseAddress(each) !== null).map((each) => ({ address: each, port }));
    });
}
