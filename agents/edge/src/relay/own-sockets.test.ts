import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { ownSockets } from "./own-sockets.ts";

const hostAddresses = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
const everywhere = (port: number) => ["0.0.0.0", ...hostAddresses].map((address) => ({ address, port }));

test("leaves an address as it is, and a port that is not known yet out", () => {
  const socket = { address: "192.0.2.1", port: 443 };
  expect(ownSockets([socket, { address: "192.0.2.1", port: 0 }])).toEqual([socket]);
});

test.each(["0.0.0.0", "::", "localhost", "fe80::1%eth0"])("counts %s on every address of this host", (address) => {
  expect(ownSockets([{ address, port: 8_443 }])).toEqual(everywhere(8_443));
});
