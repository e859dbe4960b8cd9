import fc from "fast-check";
import { expect, test } from "vitest";
import { addressOf, cidrContains, parseAddress, parseCidr } from "./address.ts";
import { mergeCidrs } from "./merge-cidrs.ts";

test.each([
  [["10.1.2.3/8"], ["10.0.0.0/8"]],
  [["10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24"], ["10.0.0.0/8"]],
  [["10.128.0.0/9", "10.0.0.0/9"], ["10.0.0.0/8"]],
  [
    ["10.0.1.0/24", "10.0.2.0/24"],
    ["10.0.1.0/24", "10.0.2.0/24"],
  ],
  [
    ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"],
    ["10.0.1.0/24", "10.0.2.0/23"],
  ],
  [["0.0.0.0/1", "128.0.0.0/1"], ["0.0.0.0/0"]],
  [["255.255.255.255/32", "255.255.255.254/32"], ["255.255.255.254/31"]],
  [
    ["2001:DB8::/33", "192.0.2.0/24", "2001:db8:8000::/33"],
    ["192.0.2.0/24", "2001:db8::/32"],
  ],
  [["::ffff:10.0.0.0/104"], ["10.0.0.0/8"]],
  [["::ffff:0:0/96", "192.0.2.1/32"], ["0.0.0.0/0"]],
  // A wider one is of IPv6 addresses: no client comes from the mapped part of it.
  [["::/0"], ["::/0"]],
  [["::fffe:0:0/95"], ["::fffe:0:0/95"]],
  [[], []],
])("%j is %j", (given, merged) => {
  expect(mergeCidrs(given)).toEqual(merged);
});

test("what is no network is not taken", () => {
  expect(() => mergeCidrs(["10.0.0.0"])).toThrow(TypeError);
});

// Few addresses, so that networks nest, touch and repeat.
const smallCidr = fc
  .record({ last: fc.nat(255), length: fc.integer({ min: 24, max: 32 }), family: fc.constantFrom(4, 6, "mapped") })
  .map(({ last, length, family }) => {
    if (family === 6) return `2001:db8::${last.toString(16)}/${length + 96}`;
    return family === 4 ? `10.0.0.${last}/${length}` : `::ffff:10.0.0.${last}/${length + 96}`;
  });

const contains = (texts: readonly string[], address: string): boolean =>
  texts.some((text) => cidrContains(parseCidr(text)!, parseAddress(address)!));

test("covers exactly the same addresses, with disjoint networks that cannot be fewer", () => {
  fc.assert(
    fc.property(fc.array(smallCidr, { maxLength: 6 }), (given) => {
      const merged = mergeCidrs(given);
      for (let last = 0; last < 256; last++) {
        const [ipv4, ipv6] = [`10.0.0.${last}`, `2001:db8::${last.toString(16)}`];
        expect(contains(merged, ipv4)).toBe(contains(given, ipv4) || contains(given, `::ffff:${ipv4}`));
        expect(contains(merged, ipv6)).toBe(contains(given, ipv6));
      }
      const cidrs = merged.map((text) => parseCidr(text)!);
      for (const a of cidrs) for (const b of cidrs) expect(a === b || !cidrContains(a, b)).toBe(true);
      expect(merged.length).toBeLessThanOrEqual(new Set(given).size);
    }),
    // Each looks at 512 addresses.
    { numRuns: 30 },
  );
});

test("lists that cover the same are the same, however they are cut", () => {
  fc.assert(
    fc.property(fc.array(smallCidr, { maxLength: 8 }), fc.nat(), (given, seed) => {
      const halves = given.flatMap((text) => {
        const cidr = parseCidr(text)!;
        if (cidr.prefixLength === cidr.bytes.length * 8) return [text];
        const upper = cidr.bytes.slice();
        upper[cidr.prefixLength >> 3]! |= 0x80 >> (cidr.prefixLength & 7);
        return [cidr, addressOf(upper)].map((half) => `${half.text}/${cidr.prefixLength + 1}`);
      });
      const turned = halves.map((_, i) => halves[(i + seed) % halves.length]!);
      expect(mergeCidrs(turned)).toEqual(mergeCidrs(given));
    }),
  );
});
