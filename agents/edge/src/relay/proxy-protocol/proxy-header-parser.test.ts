import { parseAddress } from "@helloway/routing/address";
import { OfferedProtocols } from "@helloway/routing/offered-protocols";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mutate } from "../../../../../test/vectors/mutate.ts";
import { Random } from "../../../../../test/vectors/random.ts";
import { crc32c } from "./crc32c.ts";
import { proxyHeaderV1, proxyHeaderV2 } from "./proxy-header.ts";
import { ProxyHeaderParser } from "./proxy-header-parser.ts";
import type { ProxyHeaderVerdict } from "./proxy-header-verdict.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const TCP4 = "c0000201c63364029c4001bb";
const TCP6 = "20010db800000000000000000000000120010db80000000000000000000000029c4001bb";
const MAPPED = "00000000000000000000ffffc000020100000000000000000000ffffc63364029c4001bb";

const hex = (text: string) => Buffer.from(text, "hex");
const line = (text: string) => Buffer.from(text, "latin1");

/** Version 2: command and family, what follows them; the length is right unless it is given. */
function v2(versionAndFamily: string, rest: string, length = rest.length / 2): Buffer {
  return hex(SIGNATURE + versionAndFamily + length.toString(16).padStart(4, "0") + rest);
}

/** The header with the four bytes that follow "030004" at its end made its checksum. */
function withCrc(header: Buffer): Buffer {
  const result = Buffer.concat([header.subarray(0, -4), Buffer.alloc(4)]);
  result.writeUInt32BE(crc32c(result), result.length - 4);
  return result;
}

function verdictOf(...pushes: Uint8Array[]): ProxyHeaderVerdict {
  const parser = new ProxyHeaderParser();
  let verdict: ProxyHeaderVerdict = { kind: "incomplete" };
  for (const bytes of pushes) verdict = parser.push(bytes);
  return verdict;
}

/** "source destination", "socket" when the header names no addresses, or what is wrong. */
function readingOf(verdict: ProxyHeaderVerdict): string {
  if (verdict.kind !== "header") return verdict.kind === "bad" ? `bad: ${verdict.detail}` : "incomplete";
  const { source, destination } = verdict.header;
  if (source === null || destination === null) return source === destination ? "socket" : "half";
  return `${source.address.text} ${source.port} ${destination.address.text} ${destination.port}`;
}

function headerOf(bytes: Uint8Array) {
  const verdict = verdictOf(bytes);
  if (verdict.kind !== "header") throw new Error(readingOf(verdict));
  return verdict;
}

/** The number of bytes at which a verdict came. */
function decidedAt(bytes: Uint8Array): number {
  const parser = new ProxyHeaderParser();
  return bytes.findIndex((byte) => parser.push(Uint8Array.of(byte)).kind !== "incomplete") + 1;
}

/** What HAProxy 2.6 sent: `send-proxy`, and `send-proxy-v2` with the options ssl, ssl-cipher, crc32c, authority, unique-id. */
const recorded: [string, Buffer, string][] = [
  [
    "a line from HAProxy",
    hex("50524f58592054435034203132372e302e302e31203132372e302e302e312035383732342031393430330d0a"),
    "127.0.0.1 58724 127.0.0.1 19403",
  ],
  [
    "a header with TLVs from HAProxy",
    hex(
      "0d0a0d0a000d0a515549540a211100677f0000017f000001cc704bca030004814c86f401000268320200106170702e6578616d706c652e74" +
        "65737405000e2d323032322d37463030303030312000280100000000210007544c5376312e33230016544c535f4145535f3235365f47434d" +
        "5f534841333834",
    ),
    "127.0.0.1 52336 127.0.0.1 19402",
  ],
  [
    "a header for IPv6 from HAProxy",
    hex(
      "0d0a0d0a000d0a515549540a2121002b0000000000000000000000000000000100000000000000000000000000000001be924bcc0300047" +
        "6e6cdb9",
    ),
    "::1 48786 ::1 19404",
  ],
  ["a health check of HAProxy", hex("0d0a0d0a000d0a515549540a20000007030004a9b87e8f"), "socket"],
];

const good: [string, Buffer, string][] = [
  ...recorded,
  ["TCP4", line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), "192.168.0.1 56324 192.168.0.11 443"],
  [
    "the longest TCP4",
    line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
    "255.255.255.255 65535 255.255.255.255 65535",
  ],
  ["ports of 0", line("PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n"), "192.0.2.1 0 198.51.100.2 0"],
  ["TCP6", line("PROXY TCP6 2001:DB8::1 2001:db8:0:0::2 40000 443\r\n"), "2001:db8::1 40000 2001:db8::2 443"],
  [
    "the longest TCP6",
    line(`PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`),
    `${"ffff:".repeat(7)}ffff 65535 ${"ffff:".repeat(7)}ffff 65535`,
  ],
  [
    "v4-mapped TCP6",
    line("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 40000 443\r\n"),
    "192.0.2.1 40000 198.51.100.2 443",
  ],
  ["short UNKNOWN", line("PROXY UNKNOWN\r\n"), "socket"],
  [
    "the longest UNKNOWN",
    line(`PROXY UNKNOWN ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`),
    "socket",
  ],
  ["UNKNOWN with anything", line("PROXY UNKNOWN  a \0\xff=!\r\n"), "socket"],
  ["TCP over IPv4", v2("2111", TCP4), "192.0.2.1 40000 198.51.100.2 443"],
  ["TCP over IPv6", v2("2121", TCP6), "2001:db8::1 40000 2001:db8::2 443"],
  ["v4-mapped TCP over IPv6", v2("2121", MAPPED), "192.0.2.1 40000 198.51.100.2 443"],
  [
    "TLVs unknown, empty and repeated",
    v2("2111", TCP4 + "040000" + "ee0003010203".repeat(2)),
    "192.0.2.1 40000 198.51.100.2 443",
  ],
  [
    "a right checksum at the end",
    withCrc(v2("2111", TCP4 + "0500016103000400000000")),
    "192.0.2.1 40000 198.51.100.2 443",
  ],
  ["UNSPEC", v2("2100", ""), "socket"],
  ["UNSPEC with TLVs", v2("2100", "0400020000"), "socket"],
  ["a UNIX stream", v2("2131", "2f".repeat(216) + "040000"), "socket"],
  ["LOCAL", v2("2000", ""), "socket"],
  ["LOCAL with addresses", v2("2011", TCP4), "socket"],
  ["LOCAL with too little for its addresses", v2("2021", "0102"), "socket"],
  ["LOCAL of a family that is none, with anything", v2("20ff", "010203"), "socket"],
  ["the longest header", v2("2111", TCP4 + "040fe1" + "00".repeat(4_065)), "192.0.2.1 40000 198.51.100.2 443"],
];

/** With the number of bytes at which it is settled. */
const bad: [string, Buffer, RegExp, number][] = [
  ["a hello", hex("1603010200010001fc0303"), /no PROXY header/, 1],
  ["HTTP", line("GET / HTTP/1.1\r\n"), /no PROXY header/, 1],
  ["HTTP that begins like it", line("PUT / HTTP/1.1\r\n"), /no PROXY header/, 2],
  ["lower case", line("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), /no PROXY header/, 1],
  ["a space too many", line("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), /protocol/, 7],
  ["a tab", line("PROXY\tTCP4"), /no PROXY header/, 6],
  ["no protocol", line("PROXY\r\n"), /before the protocol/, 6],
  ["UDP4", line("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), /protocol "UD"/, 8],
  ["TCP5", line("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"), /protocol "TCP5"/, 10],
  ["TCP", line("PROXY TCP 192.0.2.1 192.0.2.2 1 2\r\n"), /protocol "TCP"/, 10],
  ["UNKNOWNS", line("PROXY UNKNOWNS\r\n"), /protocol "UNKNOWNS"/, 14],
  ["no addresses", line("PROXY TCP4\r\n"), /before the source address/, 11],
  ["no ports", line("PROXY TCP4 192.0.2.1 192.0.2.2\r\n"), /before the source port/, 31],
  ["no destination port", line("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), /before the destination port/, 33],
  ["an empty destination port", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n"), /destination port ""/, 34],
  ["more than the ports", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), /more after/, 35],
  ["a space at the end", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), /more after/, 35],
  ["IPv6 in TCP4", line("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), /source address/, 16],
  ["IPv4 in TCP6", line("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), /source address/, 21],
  ["an octet of 256", line("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n"), /source address/, 23],
  ["an octal octet", line("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n"), /source address/, 22],
  ["a short IPv4", line("PROXY TCP4 127.1 192.0.2.2 1 2\r\n"), /source address/, 17],
  ["a destination of three octets", line("PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n"), /destination address/, 29],
  ["a zone", line("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), /source address/, 19],
  ["two gaps", line("PROXY TCP6 1::2::3 ::1 1 2\r\n"), /source address/, 19],
  ["brackets", line("PROXY TCP6 [::1] ::1 1 2\r\n"), /source address/, 12],
  ["a port over 65535", line("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), /source port/, 36],
  ["a leading zero", line("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), /source port/, 33],
  ["a signed port", line("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"), /source port/, 32],
  ["a port in hex", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 0x1\r\n"), /destination port/, 35],
  ["an LF alone", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), /LF without/, 35],
  ["a CR alone", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx"), /CR without/, 36],
  ["two CRs", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n"), /CR without/, 36],
  ["an LF in UNKNOWN", line("PROXY UNKNOWN a\nb\r\n"), /LF without/, 16],
  ["a CR in UNKNOWN", line("PROXY UNKNOWN a\rb\r\n"), /CR without/, 17],
  ["a line of 108 bytes", line(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`), /no CRLF within 107 bytes/, 106],
  ["a line without an end", line(`PROXY UNKNOWN ${"x".repeat(1_000)}`), /no CRLF within 107 bytes/, 106],
  ["another signature", hex("0d0a0d0a000d0a515549540b2111000c" + TCP4), /signature/, 12],
  ["two CRLFs", line("\r\n\r\nPROXY"), /signature/, 5],
  ["version 1 in binary", v2("1111", TCP4), /version 1/, 13],
  ["version 3", v2("3111", TCP4), /version 3/, 13],
  ["an unknown command", v2("2211", TCP4), /command 2/, 13],
  ["datagrams over IPv4", v2("2112", TCP4), /0x12/, 14],
  ["datagrams over IPv6", v2("2122", TCP6), /0x22/, 14],
  ["UNIX datagrams", v2("2132", "00".repeat(216)), /0x32/, 14],
  ["IPv4 without a transport", v2("2110", TCP4), /0x10/, 14],
  ["a family that is none", v2("2141", TCP6), /0x41/, 14],
  ["too little for IPv4", v2("2111", TCP4.slice(2)), /11 bytes, too short for the 12/, 16],
  ["too little for IPv6", v2("2121", TCP4), /12 bytes, too short for the 36/, 16],
  ["too little for UNIX", v2("2131", "00".repeat(215)), /215 bytes/, 16],
  ["a header of 4097 bytes", v2("2111", "", 4_081), /4097 bytes, over the limit of 4096/, 16],
  ["a LOCAL of 65551 bytes", v2("2000", "", 65_535), /over the limit/, 16],
  ["a TLV without its length", v2("2111", TCP4 + "0400"), /cut off/, 30],
  ["a TLV that goes beyond the header", v2("2111", TCP4 + "0400030000"), /beyond the header/, 33],
  ["UNSPEC with what is no TLV", v2("2100", "ff"), /cut off/, 17],
  ["a wrong checksum", v2("2111", TCP4 + "03000400000000"), /CRC32C is wrong/, 35],
  ["a wrong checksum in LOCAL", v2("2000", "03000400000000"), /CRC32C is wrong/, 23],
  ["a checksum of 3 bytes", v2("2111", TCP4 + "030003000000"), /CRC32C of 3/, 34],
  ["two checksums", withCrc(v2("2111", TCP4 + "03000400000000".repeat(2))), /two CRC32Cs/, 42],
];

describe("a header", () => {
  test.each(good)("%s is read, and what follows it is not touched", (_, bytes, reading) => {
    const verdict = verdictOf(Buffer.concat([bytes, hex("160301")]));
    expect(readingOf(verdict)).toBe(reading);
    expect(verdict).toMatchObject({ used: bytes.length, header: { version: bytes[0] === 0x50 ? 1 : 2 } });
  });

  test.each(good)("%s is complete at its last byte and not before", (_, bytes, reading) => {
    const parser = new ProxyHeaderParser();
    for (const byte of bytes.subarray(0, -1)) expect(parser.push(Uint8Array.of(byte))).toEqual({ kind: "incomplete" });
    expect(readingOf(parser.push(bytes.subarray(-1)))).toBe(reading);
  });

  test.each(good)("%s reads the same however it is split in two", (_, bytes) => {
    const stream = Buffer.concat([bytes, hex("160301")]);
    const whole = verdictOf(stream);
    for (let at = 0; at <= stream.length; at++) {
      const first = stream.subarray(0, at);
      expect(verdictOf(first)).toEqual(at < bytes.length ? { kind: "incomplete" } : whole);
      expect(verdictOf(first, stream.subarray(at))).toEqual(whole);
    }
  });

  test("that is not there yet is incomplete", () => {
    expect(verdictOf()).toEqual({ kind: "incomplete" });
    expect(verdictOf(new Uint8Array(0), new Uint8Array(0))).toEqual({ kind: "incomplete" });
  });

  test("outlives the memory it was read from", () => {
    const bytes = Buffer.from(v2("2111", TCP4));
    const verdict = verdictOf(bytes);
    bytes.fill(0xff);
    expect(readingOf(verdict)).toBe("192.0.2.1 40000 198.51.100.2 443");
    if (verdict.kind !== "header") throw new Error("no header");
    expect([...verdict.header.source!.address.bytes]).toEqual([192, 0, 2, 1]);
  });

  test("stays what it was, whatever comes after it", () => {
    const parser = new ProxyHeaderParser();
    const verdict = parser.push(line("PROXY UNKNOWN\r\n"));
    expect(parser.push(v2("2111", TCP4))).toBe(verdict);
  });

  test.each(recorded.slice(1))("%s is refused with any bit flipped of what its checksum guards", (_, bytes) => {
    // Without its own type and length it is no checksum.
    const crcAt = bytes.indexOf(hex("030004"));
    for (let at = 16; at < bytes.length; at++) {
      if (at >= crcAt && at < crcAt + 3) continue;
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1 << bit;
        expect(readingOf(verdictOf(damaged))).toMatch(/^bad: /);
      }
    }
  });
});

describe("refused is", () => {
  test.each(bad)("%s, and the log is told why", (_, bytes, detail) => {
    expect(readingOf(verdictOf(bytes))).toMatch(/^bad: /);
    expect(readingOf(verdictOf(bytes))).toMatch(detail);
  });

  test.each(bad)("%s at the byte that settles it", (_, bytes, __, at) => expect(decidedAt(bytes)).toBe(at));

  test.each(bad)("%s however it is split in two, for good", (_, bytes) => {
    const whole = verdictOf(bytes);
    for (let at = 0; at <= bytes.length; at++) {
      expect(verdictOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual(whole);
    }
    expect(verdictOf(bytes, line("PROXY UNKNOWN\r\n"))).toEqual(whole);
  });

  test("nothing of a stream that is not ours is repeated in the log", () => {
    expect(readingOf(verdictOf(line("\x1b[31mevil")))).not.toContain("evil");
    expect(readingOf(verdictOf(line("PROXY TCP4 \x1b")))).not.toContain("\x1b");
  });
});

const addresses = fc.oneof(
  fc.ipV4().filter((text) => parseAddress(text) !== null),
  fc.ipV6().filter((text) => parseAddress(text) !== null),
);
const endpoints = fc
  .record({ address: addresses, port: fc.nat(65_535) })
  .map(({ address, port }) => ({ address: parseAddress(address)!, port }))
  // What is v4-mapped has been unmapped before anything else.
  .filter(({ address }) => !address.text.startsWith("::ffff:"));

describe("what was written", () => {
  test("is read back, in both versions, for any addresses of any families", () => {
    fc.assert(
      fc.property(endpoints, endpoints, (source, destination) => {
        for (const [version, bytes] of [
          [1, proxyHeaderV1({ source, destination })],
          [2, proxyHeaderV2({ source, destination })],
        ] as const) {
          const { header, used } = headerOf(bytes);
          expect(used).toBe(bytes.length);
          expect(header.version).toBe(version);
          expect([header.source?.address.text, header.source?.port]).toEqual([source.address.text, source.port]);
          expect([header.destination?.address.text, header.destination?.port]).toEqual([
            destination.address.text,
            destination.port,
          ]);
        }
      }),
    );
  });

  test("is read back whatever TLVs it has", () => {
    const tlvs = fc.record({
      authority: fc.option(fc.uint8Array({ maxLength: 600 })),
      uniqueId: fc.option(fc.string({ maxLength: 140 })),
      edge: fc.option(fc.string({ maxLength: 80 })),
      alpn: fc.option(
        fc
          .array(fc.uint8Array({ minLength: 1, maxLength: 255 }), { maxLength: 6 })
          .map((list) => OfferedProtocols.of(list)),
      ),
    });
    fc.assert(
      fc.property(endpoints, endpoints, tlvs, (source, destination, tlvs) => {
        const bytes = proxyHeaderV2({ source, destination, tlvs });
        expect(bytes.length).toBeLessThanOrEqual(536);
        expect(headerOf(bytes).header.source?.address.text).toBe(source.address.text);
      }),
    );
  });
});

test("no damage makes it throw, take more than came, or depend on how it was cut", () => {
  const seeds = [...good, ...bad].map(([, bytes]) => bytes);
  const random = new Random(0x9e3779b9);
  for (let round = 0; round < 20_000; round++) {
    const bytes = mutate(random, random.pick(seeds), seeds);
    const whole = verdictOf(bytes);
    if (whole.kind === "header") expect(whole.used).toBeLessThanOrEqual(bytes.length);
    if (whole.kind === "incomplete") expect(bytes.length).toBeLessThan(4_096);
    const at = random.below(bytes.length + 1);
    expect(verdictOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual(whole);
  }
});
