import fc from "fast-check";
import { expect, test } from "vitest";
import { type Address, addressOf, type Cidr, cidrContains, parseAddress, parseCidr } from "./address.ts";
import { PrefixTable } from "./prefix-table.ts";

const tableOf = (...cidrs: string[]): PrefixTable<string> =>
  new PrefixTable(cidrs.map((text) => [parseCidr(text)!, text] as const));
const find = (table: PrefixTable<string>, text: string): string | undefined => table.lookup(parseAddress(text)!);

test("the longest prefix counts, and outside of all networks nothing", () => {
  const table = tableOf("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "::/0", "2001:db8::/32");
  expect(find(table, "10.0.0.1")).toBe("10.0.0.0/8");
  expect(find(table, "10.1.255.255")).toBe("10.1.0.0/16");
  expect(find(table, "10.1.2.3")).toBe("10.1.2.3/32");
  expect(find(table, "10.1.2.4")).toBe("10.1.0.0/16");
  expect(find(table, "10.2.0.0")).toBe("10.0.0.0/8");
  expect(find(table, "9.255.255.255")).toBeUndefined();
  expect(find(table, "11.0.0.0")).toBeUndefined();
  expect(find(table, "::")).toBe("::/0");
  expect(find(table, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")).toBe("2001:db8::/32");
  expect(find(table, "2001:db9::")).toBe("::/0");
});

test("the whole space and its last address are found", () => {
  const table = tableOf("0.0.0.0/0", "255.255.255.255/32");
  expect(find(table, "0.0.0.0")).toBe("0.0.0.0/0");
  expect(find(table, "255.255.255.255")).toBe("255.255.255.255/32");
  expect(find(tableOf(), "1.2.3.4")).toBeUndefined();
});

test("of equal networks the last given counts", () => {
  const cidr = parseCidr("10.0.0.0/8")!;
  const table = new PrefixTable([
    [cidr, 1],
    [cidr, 2],
  ]);
  expect(table.lookup(parseAddress("10.0.0.1")!)).toBe(2);
});

test("any table answers as a search through all networks does", () => {
  // Few distinct bits, so that networks nest and touch.
  const bits = fc.constantFrom(0, 0, 1, 0x80, 0xff, 0xfe);
  const ipv4 = fc.array(bits, { minLength: 4, maxLength: 4 });
  const ipv6 = fc.array(bits, { minLength: 16, maxLength: 16 });
  const address = fc.oneof(ipv4, ipv6).map((bytes) => addressOf(Uint8Array.from(bytes)));
  const network = fc
    .tuple(address, fc.nat({ max: 128 }))
    .map(([each, length]) => parseCidr(`${each.text}/${Math.min(length, each.bytes.length * 8)}`)!);
  fc.assert(
    fc.property(fc.array(network, { maxLength: 12 }), fc.array(address, { maxLength: 20 }), (networks, addresses) => {
      const table = new PrefixTable(networks.map((cidr, i) => [cidr, i] as const));
      for (const each of addresses) expect(table.lookup(each)).toBe(search(networks, each));
    }),
    { numRuns: 500 },
  );
});

function search(networks: readonly Cidr[], address: Address): number | undefined {
  let best: number | undefined;
  for (const [i, cidr] of networks.entries()) {
    if (!cidrContains(cidr, address)) continue;
    if (best === undefined || cidr.prefixLength >= networks[best]!.prefixLength) best = i;
  }
  return best;
}
