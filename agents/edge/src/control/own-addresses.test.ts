import { expect, test } from "vitest";
import { ownAddresses } from "./own-addresses.ts";

const interfaces = ["127.0.0.1", "203.0.113.7", "169.254.1.1", "::1", "fe80::1", "2001:db8::7"];

test("a wildcard listener has the host's addresses of its family that others can reach", () => {
  expect(ownAddresses([{ address: "0.0.0.0", port: 443 }], interfaces)).toEqual(["203.0.113.7"]);
  expect(ownAddresses([{ address: "::", port: 443 }], interfaces)).toEqual(["2001:db8::7"]);
});

test("another listener has its own address, each once, and loopback is none", () => {
  const at = (address: string, port: number): { address: string; port: number } => ({ address, port });
  const listeners = [at("198.51.100.1", 443), at("198.51.100.1", 8443), at("127.0.0.1", 443), at("::1", 443)];
  expect(ownAddresses(listeners, interfaces)).toEqual(["198.51.100.1"]);
});
