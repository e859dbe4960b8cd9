import { parseAddress } from "@helloway/routing/address";
import { noProtocols, OfferedProtocols } from "@helloway/routing/offered-protocols";
import { describe, expect, test } from "vitest";
import { crc32c } from "./crc32c.ts";
import type { Endpoint } from "./endpoint.ts";
import { proxyHeaderV1, proxyHeaderV2, type ProxyTlvs } from "./proxy-header.ts";

const end = (address: string, port: number): Endpoint => ({ address: parseAddress(address)!, port });
const ipv4 = { source: end("192.0.2.1", 40_000), destination: end("198.51.100.2", 443) };
const ipv6 = { source: end("2001:db8::1", 40_000), destination: end("2001:db8::2", 443) };
const mixed = { source: end("192.0.2.1", 40_000), destination: end("2001:db8::2", 443) };
const text = (value: string) => Buffer.from(value);

/** The TLVs by type, in their order. */
function tlvsOf(header: Buffer): [number, Buffer][] {
  const tlvs: [number, Buffer][] = [];
  for (let at = header[13] === 0x11 ? 28 : 52; at < header.length;) {
    const end = at + 3 + header.readUInt16BE(at + 1);
    tlvs.push([header[at]!, header.subarray(at + 3, end)]);
    at = end;
  }
  return tlvs;
}

const typesOf = (tlvs: ProxyTlvs) => tlvsOf(proxyHeaderV2({ ...ipv6, tlvs })).map(([type]) => type);

describe("version 1", () => {
  test("is a line with both ends", () => {
    expect(proxyHeaderV1(ipv4).toString()).toBe("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n");
    expect(proxyHeaderV1(ipv6).toString()).toBe("PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n");
  });

  test("of two families is a line of IPv6", () => {
    expect(proxyHeaderV1(mixed).toString()).toBe("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 40000 443\r\n");
  });

  test("has at most 104 bytes", () => {
    const longest = end(`${"fedc:".repeat(7)}fedc`, 65_535);
    expect(proxyHeaderV1({ source: longest, destination: longest })).toHaveLength(104);
  });
});

describe("version 2", () => {
  test("has the addresses, and the checksum of the rest", () => {
    const head = "0d0a0d0a000d0a515549540a21110013c0000201c63364029c4001bb030004";
    const header = proxyHeaderV2(ipv4);
    expect(header.subarray(0, -4).toString("hex")).toBe(head);
    expect(header.readUInt32BE(31)).toBe(crc32c(Buffer.from(`${head}00000000`, "hex")));
  });

  test("of two families is one of IPv6, with the IPv4 address mapped", () => {
    const header = proxyHeaderV2(mixed).toString("hex");
    expect(header.slice(24, 32)).toBe("2121002b");
    expect(header.slice(32, 96)).toBe("00000000000000000000ffffc000020120010db8000000000000000000000002");
  });

  test("says what it was asked to, in the order of importance, and the checksum last", () => {
    const authority = text("App.Example.test.");
    const tlvs = {
      alpn: OfferedProtocols.of([text("h2"), text("http/1.1")]),
      authority,
      edge: "edge-1",
      uniqueId: "k3f-17",
    };
    const sent = tlvsOf(proxyHeaderV2({ ...ipv4, tlvs })).map(([type, value]) => [type, value.toString("latin1")]);
    expect(sent).toEqual([
      [0x02, "App.Example.test."],
      [0x05, "k3f-17"],
      [0xe4, "\x01edge-1"],
      [0x01, "\x02h2\x08http/1.1"],
      [0x03, expect.any(String)],
    ]);
  });

  test("says nothing of what is absent, null or empty", () => {
    expect(typesOf({})).toEqual([3]);
    expect(typesOf({ authority: null, uniqueId: null, edge: null, alpn: null })).toEqual([3]);
    expect(typesOf({ authority: text(""), uniqueId: "", edge: "", alpn: noProtocols })).toEqual([3]);
  });

  test("has at most 536 bytes, and fills them to the last", () => {
    const room = 536 - 52 - 7;
    const header = (authorityBytes: number) =>
      proxyHeaderV2({ ...ipv6, tlvs: { authority: Buffer.alloc(authorityBytes, 0x61) } });
    expect(header(room - 3)).toHaveLength(536);
    expect(header(room - 2)).toHaveLength(59);
    expect(header(65_535)).toHaveLength(59);
  });

  test("leaves out whole what does not fit, the least important first", () => {
    const authority = Buffer.alloc(255, 0x61);
    const id = "i".repeat(128);
    const alpn = OfferedProtocols.of([text("h2")]);
    expect(typesOf({ authority, uniqueId: id, edge: "e".repeat(63), alpn })).toEqual([2, 5, 0xe4, 1, 3]);
    const many = OfferedProtocols.of(Array<Uint8Array>(10).fill(text("http/1.1")));
    expect(typesOf({ authority, uniqueId: id, edge: "e".repeat(63), alpn: many })).toEqual([2, 5, 0xe4, 3]);
    expect(typesOf({ authority: Buffer.alloc(450), uniqueId: id, edge: "e".repeat(63), alpn })).toEqual([2, 1, 3]);
  });

  test("has no id over the 128 bytes that the specification allows", () => {
    expect(typesOf({ uniqueId: "i".repeat(128) })).toEqual([5, 3]);
    expect(typesOf({ uniqueId: "i".repeat(129) })).toEqual([3]);
  });
});
