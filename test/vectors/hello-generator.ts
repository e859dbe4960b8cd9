// Makes ClientHellos that a real TLS server takes seriously, with up to a few deviations each: random byte noise dies in the
// first length field, where nothing is learnt about who reads which name.
import { concat, extension, record, uint16, vector } from "./hello-bytes.ts";
import type { Random } from "./random.ts";

const names = [
  "app.example.test",
  "other.example.test",
  "APP.Example.TEST",
  "app.example.test.",
  "app.example.test..",
  ".example.test",
  "localhost",
  "xn--bcher-kva.example.test",
  "_dmarc.example.test",
  "b\u00fccher.example.test",
  "app.example.test\0.evil.test",
  "192.0.2.1",
  "::1",
  "*.example.test",
  "a b",
  "",
  "a".repeat(63) + ".test",
  "a".repeat(255),
  "a".repeat(256),
];
const protocols = ["h2", "http/1.1", "acme-tls/1", "spdy/3.1", "\x0a\x0a", "postgresql", "x"];

/** A hello on the wire: records, possibly several, possibly with something after. */
export function generateHello(random: Random): Uint8Array {
  return toRecords(random, generateMessage(random));
}

/** The handshake message, header included. */
function generateMessage(random: Random): Uint8Array {
  const tls13 = !random.oneIn(3);
  const extensions = random.shuffled(generateExtensions(random, tls13));
  const block = random.oneIn(25) ? new Uint8Array(0) : lie(random, vector(2, concat(extensions)), 80);
  const body = concat([
    uint16(random.oneIn(10) ? random.pick([0x0300, 0x0301, 0x0302, 0x0304, 0x0200, 0x0400]) : 0x0303),
    random.bytes(32),
    vector(1, random.bytes(random.oneIn(40) ? 33 : random.pick([0, 32, 16]))),
    vector(2, generateCipherSuites(random, tls13)),
    vector(1, random.oneIn(40) ? Uint8Array.from([1, 0]) : Uint8Array.from([0])),
    block,
    random.oneIn(60) ? random.bytes(1 + random.below(4)) : new Uint8Array(0),
  ]);
  const type = random.oneIn(80) ? random.pick([0, 2, 3, 11, 22]) : 1;
  const length = random.oneIn(40) ? Math.max(0, body.length + random.pick([-1, 1, -4, 4, 1000])) : body.length;
  return concat([Uint8Array.of(type, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff), body]);
}

function generateCipherSuites(random: Random, tls13: boolean): Uint8Array {
  const suites = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xc009, 0xc013, 0x009c, 0x002f, 0x00ff];
  if (tls13) suites.unshift(0x1301, 0x1302, 0x1303);
  const bytes = concat(suites.map(uint16));
  return random.oneIn(60) ? bytes.subarray(0, bytes.length - 1) : bytes;
}

function generateExtensions(random: Random, tls13: boolean): Uint8Array[] {
  const list = [
    extension(10, vector(2, concat([0x001d, 0x0017, 0x0018, 0x11ec].map(uint16)))),
    extension(13, vector(2, concat([0x0403, 0x0804, 0x0401, 0x0807, 0x0203].map(uint16)))),
    extension(11, vector(1, Uint8Array.of(0))),
  ];
  if (!random.oneIn(12)) list.push(extension(0, generateServerName(random)));
  if (!random.oneIn(3)) list.push(extension(16, generateAlpn(random)));
  if (tls13) {
    list.push(extension(43, generateVersions(random)));
    list.push(extension(51, vector(2, concat([uint16(0x001d), vector(2, random.bytes(32))]))));
    list.push(extension(45, vector(1, Uint8Array.of(1))));
  }
  if (random.oneIn(3)) list.push(extension(23, new Uint8Array(0)));
  if (random.oneIn(4)) list.push(extension(35, random.bytes(random.pick([0, 16, 200]))));
  if (random.oneIn(4)) list.push(extension(0x0a0a + 0x1010 * random.below(16), random.bytes(random.below(2))));
  if (random.oneIn(5)) list.push(extension(21, new Uint8Array(random.below(600))));
  if (random.oneIn(8)) list.push(extension(0xfe0d, random.bytes(random.pick([1, 8, 180]))));
  if (random.oneIn(8))
    list.push(extension(random.pick([5, 18, 27, 28, 42, 44, 49, 57, 17513, 65281]), random.bytes(random.below(6))));
  if (random.oneIn(20)) list.push(extension(1, Uint8Array.of(random.below(6))));
  if (random.oneIn(12)) list.push(random.pick(list));
  if (random.oneIn(25)) list.push(extension(0, generateServerName(random)));
  return list;
}

function generateServerName(random: Random): Uint8Array {
  const count = random.oneIn(12) ? 1 + random.below(3) : 1;
  const entries = Array.from({ length: count }, () => {
    const name = Buffer.from(random.oneIn(2) ? names[0]! : random.pick(names), "latin1");
    return concat([Uint8Array.of(random.oneIn(20) ? random.below(4) : 0), lie(random, vector(2, name), 30)]);
  });
  const list = lie(random, vector(2, concat(entries)), 30);
  return random.oneIn(40) ? concat([list, random.bytes(1 + random.below(3))]) : list;
}

function generateAlpn(random: Random): Uint8Array {
  const count = 1 + random.below(4);
  const entries = Array.from({ length: count }, () => {
    if (random.oneIn(30)) return vector(1, random.bytes(random.below(255)));
    return lie(random, vector(1, Buffer.from(random.pick(protocols), "latin1")), 40);
  });
  return lie(random, vector(2, concat(entries)), 40);
}

function generateVersions(random: Random): Uint8Array {
  const versions = random.oneIn(4)
    ? [0x0a0a, 0x0304, 0x0303]
    : random.oneIn(4)
      ? [0x0303, 0x0302, 0x0301]
      : [0x0304, 0x0303];
  return lie(random, vector(1, concat(versions.map(uint16))), 30);
}

/** Once in n times one of the first two bytes, where the length is, is wrong by a little. */
function lie(random: Random, bytes: Uint8Array, n: number): Uint8Array {
  if (bytes.length < 2 || !random.oneIn(n)) return bytes;
  const lying = bytes.slice();
  lying[random.below(2)]! += random.pick([-1, 1, 2, -2, 5]);
  return lying;
}

/** Cuts a message into records; now and then something stands between or after them that should not. */
export function toRecords(random: Random, message: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  const payload = random.oneIn(15) ? concat([message, random.bytes(1 + random.below(40))]) : message;
  const sizeMax = random.oneIn(2) ? 16_384 : random.pick([1, 4, 40, 40, 200, 512, 2000]);
  const intruderAt = random.oneIn(15) ? random.below(random.pick([1, 2, 10])) : -1;
  for (let at = 0; at < payload.length;) {
    const left = payload.length - at;
    const size = Math.min(left, 1 + random.below(sizeMax));
    const whole = sizeMax === 16_384 && random.oneIn(2) ? Math.min(left, sizeMax) : size;
    if (parts.length === intruderAt) parts.push(intruder(random));
    parts.push(record(payload.subarray(at, at + whole), 22, 0x0300 + random.pick([1, 3, 1, 3, 0, 4, 0x7f])));
    at += whole;
  }
  if (random.oneIn(10)) parts.push(record(random.bytes(random.below(50)), 23, 0x0303));
  return concat(parts);
}

function intruder(random: Random): Uint8Array {
  return random.pick([
    record(new Uint8Array(0), 22, 0x0303),
    record(Uint8Array.of(1), 20, 0x0303),
    record(Uint8Array.of(1, 0), 21, 0x0303),
    record(Uint8Array.of(1, 90), 21, 0x0303),
    record(new Uint8Array(0), 23, 0x0303),
    record(Uint8Array.of(0, 0, 0, 0), 22, 0x0303),
    record(Uint8Array.of(1, 0, 1, 0), 24, 0x0303),
  ]);
}
