import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatIp, parseIpv4, parseIpv6 } from "./ip-text.ts";

const anyIpv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Zeros are common, so that runs of them are. */
const anyIpv6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat({ max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));

/** Another reader and writer of IPv6 text: the URL parser (it writes v4-mapped addresses without dots). */
const byUrl = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1);

describe("text of addresses", () => {
  test("what is formatted is parsed to the same bytes", () => {
    fc.assert(
      fc.property(anyIpv4, anyIpv6, (ipv4, ipv6) => {
        expect(parseIpv4(formatIp(ipv4))).toEqual(ipv4);
        expect(parseIpv6(formatIp(ipv6))).toEqual(ipv6);
      }),
    );
  });

  test("the text of an IPv6 address is that of RFC 5952", () => {
    fc.assert(
      fc.property(anyIpv6, (bytes) => {
        const text = formatIp(bytes);
        if (!text.startsWith("::ffff:")) expect(text).toBe(byUrl(text));
      }),
    );
  });

  test("the longest run of zeros is shortened, of equal ones the first, a single zero not", () => {
    expect(formatIp(parseIpv6("2001:0:0:1:0:0:0:1")!)).toBe("2001:0:0:1::1");
    expect(formatIp(parseIpv6("2001:0:0:1:1:0:0:1")!)).toBe("2001::1:1:0:0:1");
    expect(formatIp(parseIpv6("2001:0:1:1:1:1:1:1")!)).toBe("2001:0:1:1:1:1:1:1");
    expect(formatIp(parseIpv6("::FFFF:7f00:1")!)).toBe("::ffff:127.0.0.1");
    expect(formatIp(parseIpv6("::")!)).toBe("::");
  });

  test("every way to write an IPv6 address reads as the other reader reads it", () => {
    const group = fc.oneof(fc.constant("0"), fc.stringMatching(/^[0-9a-fA-F]{1,4}$/));
    const text = fc
      .tuple(
        fc.array(group, { maxLength: 8 }),
        fc.array(group, { maxLength: 8 }),
        fc.boolean(),
        fc.option(anyIpv4, { freq: 3 }),
      )
      .map(([head, tail, gap, quad]) => {
        const end = quad ? [...tail, formatIp(quad)] : tail;
        return gap ? `${head.join(":")}::${end.join(":")}` : [...head, ...end].join(":");
      });
    fc.assert(
      fc.property(text, (each) => {
        const ours = parseIpv6(each);
        expect(ours !== null, each).toBe(isIPv6(each));
        if (ours !== null) expect(byUrl(formatIp(ours))).toBe(byUrl(each));
      }),
      { numRuns: 2000 },
    );
  });

  test("every way to write an IPv4 address is taken or refused as the system does", () => {
    const part = fc.oneof(
      fc.nat({ max: 300 }).map(String),
      fc.constantFrom("0", "00", "01", "", "0x1", "1e1", " 1", "256"),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 3, maxLength: 5 }), (parts) => {
        const text = parts.join(".");
        expect(parseIpv4(text) !== null, text).toBe(isIPv4(text));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    "127.1",
    "0x7f.1",
    "2130706433",
    "0",
    "010.0.0.1",
    "127.0.0.01",
    "1.2.3.256",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4 ",
    "",
    "1..3.4",
    "+1.2.3.4",
    "\u0661.2.3.4",
  ])("%s is no IPv4 address", (text) => expect(parseIpv4(text)).toBeNull());

  test.each([
    "",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "::1%eth0",
    "[::1]",
    "12345::",
    "g::",
    "1:2:3:4:5:6:7::8",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    ":1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:8:",
    "::ffff:0x7f.1",
    "::010.0.0.1",
    " ::1",
  ])("%s is no IPv6 address", (text) => expect(parseIpv6(text)).toBeNull());
});
