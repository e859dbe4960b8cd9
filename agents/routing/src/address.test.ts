import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressOf,
  cidrContains,
  formatCidr,
  parseAddress,
  parseBackendAddress,
  parseCidr,
  unwrapAddress,
} from "./address.ts";

const anyBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

describe("parseAddress", () => {
  test("knows the family and the canonical text", () => {
    expect(parseAddress("192.0.2.1")).toMatchObject({ family: 4, text: "192.0.2.1" });
    expect(parseAddress("2001:DB8:0::1")).toMatchObject({ family: 6, text: "2001:db8::1" });
    expect(parseAddress("example.test")).toBeNull();
  });
});

describe("networks", () => {
  test.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["255.255.255.255/31", "255.255.255.254/31"],
    ["2001:db8:ffff::1/33", "2001:db8:8000::/33"],
    ["::1/128", "::1/128"],
  ])("%s is %s", (text, expected) => {
    expect(formatCidr(parseCidr(text)!)).toBe(expected);
  });

  test.each([
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10/8",
    "::/129",
    "public",
    "10.0.0.0/8/8",
    "",
  ])("%s is no network", (text) => expect(parseCidr(text)).toBeNull());

  test("a network contains its own address, and after formatting it is the same", () => {
    fc.assert(
      fc.property(anyBytes, fc.nat({ max: 128 }), (bytes, length) => {
        const address = addressOf(bytes);
        const cidr = parseCidr(`${address.text}/${Math.min(length, bytes.length * 8)}`)!;
        expect(cidrContains(cidr, address)).toBe(true);
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
        if (cidr.prefixLength === 0) return;
        const flipped = bytes.slice();
        const bit = cidr.prefixLength - 1;
        flipped[bit >> 3]! ^= 0x80 >> (bit & 7);
        expect(cidrContains(cidr, addressOf(flipped))).toBe(false);
      }),
    );
  });
});

describe("unwrapAddress", () => {
  test.each([
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["::127.0.0.1", "127.0.0.1"],
    ["::ffff:0:127.0.0.1", "127.0.0.1"],
    ["64:ff9b::7f00:1", "127.0.0.1"],
    ["64:ff9b:1::7f00:1", "127.0.0.1"],
    ["64:ff9b:1:7f00:0:100::", "127.0.0.1"],
    ["64:ff9b:1:abcd::7f00:1", "127.0.0.1"],
    ["2002:7f00:1::", "127.0.0.1"],
    ["2002:7f00:1:5:6:7:8:9", "127.0.0.1"],
    ["2001::80ff:fffe", "127.0.0.1"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"],
    ["fe80::5efe:127.0.0.1", "127.0.0.1"],
    ["2001:db8::200:5efe:127.0.0.1", "127.0.0.1"],
  ])("%s carries %s", (outer, inner) => {
    expect(unwrapAddress(parseAddress(outer)!).text).toBe(inner);
  });

  test.each(["::", "::1", "2001:db8::7f00:1", "64:ff9b:2::7f00:1", "2001:1::7f00:1", "fe80::7f00:1", "127.0.0.1"])(
    "%s carries nothing",
    (text) => {
      const address = parseAddress(text)!;
      expect(unwrapAddress(address)).toBe(address);
    },
  );

  test.each([
    ["2001:db8:100::/40", "2001:db8:1c0:2:21::", "192.0.2.33"],
    ["2001:db8::/32", "2001:db8:c000:221::", "192.0.2.33"],
    ["2001:db8:122::/48", "2001:db8:122:c000:2:2100::", "192.0.2.33"],
    ["2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::", "192.0.2.33"],
    ["2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::", "192.0.2.33"],
    ["2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33", "192.0.2.33"],
  ])("with the NAT64 prefix %s (the examples of RFC 6052, 2.4) %s carries %s", (prefix, outer, inner) => {
    expect(unwrapAddress(parseAddress(outer)!, [parseCidr(prefix)!]).text).toBe(inner);
  });
});

describe("parseBackendAddress", () => {
  test.each([
    ["192.0.2.1:443", "192.0.2.1", 443, "192.0.2.1:443"],
    ["[2001:DB8:0::1]:8443", "2001:db8::1", 8443, "[2001:db8::1]:8443"],
    ["[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1, "[::ffff:192.0.2.1]:1"],
    ["App.Example.TEST.:65535", "app.example.test", 65_535, "app.example.test:65535"],
    ["localhost:1", "localhost", 1, "localhost:1"],
  ])("reads %s", (text, host, port, canonical) => {
    const result = parseBackendAddress(text);
    expect(result).toMatchObject({ ok: true, host, port, text: canonical });
    expect(parseBackendAddress(canonical)).toEqual(result);
  });

  test("says whether the host is an address", () => {
    expect(parseBackendAddress("[::1]:443")).toMatchObject({ address: { family: 6, text: "::1" } });
    expect(parseBackendAddress("a.test:443")).toMatchObject({ address: null });
  });

  test.each([
    ["192.0.2.1", "missing_port"],
    ["a.test", "missing_port"],
    ["[::1]", "missing_port"],
    ["", "missing_port"],
    ["a.test:", "bad_port"],
    ["a.test:0", "bad_port"],
    ["a.test:65536", "bad_port"],
    ["a.test:0443", "bad_port"],
    ["a.test:+1", "bad_port"],
    ["a.test:1.5", "bad_port"],
    ["a.test:https", "bad_port"],
    ["[::1]:x", "bad_port"],
    ["::1:443", "bad_address"],
    ["::1", "bad_address"],
    ["[192.0.2.1]:443", "bad_address"],
    ["[::1:443", "bad_address"],
    ["[fe80::1%eth0]:443", "bad_address"],
    ["[a.test]:443", "bad_address"],
    ["127.1:443", "numeric_address"],
    ["0x7f.1:443", "numeric_address"],
    ["2130706433:443", "numeric_address"],
    ["0:443", "numeric_address"],
    ["010.0.0.1:443", "numeric_address"],
    ["1.2.3.256:443", "numeric_address"],
    ["192.0.2.1.:443", "numeric_address"],
    ["0X7F000001:443", "numeric_address"],
    ["*.a.test:443", "bad_name"],
    ["*:443", "bad_name"],
    [":443", "bad_name"],
    ["a b:443", "bad_name"],
    ["https://a.test:443", "bad_address"],
    ["user@a.test:443", "bad_name"],
    ["b\u00fccher.test:443", "not_ascii"],
  ])("refuses %s as %s, and says why", (text, code) => {
    const result = parseBackendAddress(text);
    expect(result).toMatchObject({ ok: false, code });
    expect(result.ok ? "" : result.detail).toMatch(/\.$/);
  });

  test("no text makes it throw, and what it accepts it formats stably", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-fx:.[\]*-]{0,30}$/)), (text) => {
        const result = parseBackendAddress(text);
        if (result.ok) expect(parseBackendAddress(result.text)).toEqual(result);
      }),
      { numRuns: 2000 },
    );
  });
});
