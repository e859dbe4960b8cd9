import { canonicalName } from "@helloway/routing/name";
import { describe, expect, test } from "vitest";
import * as build from "../../../../../test/vectors/hello-bytes.ts";
import { readVectors, verdictOf } from "../../../../../test/vectors/vectors.ts";
import { HelloParser } from "./hello-parser.ts";
import { alerts } from "@helloway/routing/alert";
import { type HelloVerdict, type ParsedHello } from "./hello.ts";

const folder = new URL("../../../../../test/vectors/", import.meta.url);
const edgeCases = readVectors(new URL("edge-cases.json", folder).pathname);
const recordings = readVectors(new URL("real-hellos.jsonl", folder).pathname);
const regressions = readVectors(new URL("regressions.json", folder).pathname);
const vectors = [...edgeCases, ...recordings, ...regressions];

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString("latin1");

function helloOf(...extensions: Uint8Array[]): ParsedHello {
  const verdict = verdictOf(build.record(build.clientHello({ extensions })));
  if (verdict.kind !== "hello") throw new Error(`not a hello: ${JSON.stringify(verdict)}`);
  return verdict.hello;
}

function drip(bytes: Uint8Array, parser = new HelloParser()): HelloVerdict {
  let verdict: HelloVerdict = { kind: "incomplete" };
  for (const byte of bytes) verdict = parser.push(Uint8Array.of(byte));
  return verdict;
}

/** The number of bytes at which a verdict came. */
function decidedAt(bytes: Uint8Array): number {
  const parser = new HelloParser();
  return bytes.findIndex((byte) => parser.push(Uint8Array.of(byte)).kind !== "incomplete") + 1;
}

function rejectionOf(bytes: Uint8Array): { reason: string; alert: number | null } | null {
  const verdict = verdictOf(bytes);
  return verdict.kind === "rejected" ? { reason: verdict.rejection.reason, alert: verdict.rejection.alert } : null;
}

describe("every vector", () => {
  test.each(vectors)("$id gets the verdict it must get", ({ bytes, judge }) => {
    expect(judge(verdictOf(bytes))).toBeNull();
  });

  test.each(vectors)("$id gets the same verdict one byte at a time", ({ bytes }) => {
    expect(drip(bytes)).toEqual(verdictOf(bytes));
  });

  test.each(vectors)("$id: every prefix is incomplete or has the verdict of the whole", ({ bytes }) => {
    const whole = verdictOf(bytes);
    let decided = false;
    for (let length = 0; length <= bytes.length; length++) {
      const verdict = verdictOf(bytes.subarray(0, length));
      if (verdict.kind === "incomplete" && !decided) continue;
      decided = true;
      expect(verdict).toEqual(whole);
      // The rest says nothing new: the tests above push all of it.
      if (length > 4096) break;
    }
  });
});

test("a vector does not accept the verdict of another kind", () => {
  const incomplete: HelloVerdict = { kind: "incomplete" };
  const kinds = vectors.map((vector) => [vector, verdictOf(vector.bytes)] as const);
  const rejected = kinds.find(([, verdict]) => verdict.kind === "rejected")![1];
  const nameless = verdictOf(build.record(build.clientHello({ extensions: [build.alpn("never-offered")] })));
  for (const [{ id, judge }, verdict] of kinds) {
    if (verdict.kind !== "incomplete") expect(judge(incomplete), id).not.toBeNull();
    if (verdict.kind !== "rejected") expect(judge(rejected), id).not.toBeNull();
    if (verdict.kind !== "hello" || verdict.hello.serverName !== null) expect(judge(nameless), id).not.toBeNull();
  }
});

describe("real hellos", () => {
  const five = ["chrome142", "safari260", "curl", "gnutls", "python"];

  test("are at hand from five clients", () => expect(realHellos(five).length).toBe(5));

  test.each(realHellos(five))("$id reads the same however it is split in two records", ({ bytes }) => {
    const whole = verdictOf(bytes);
    if (whole.kind !== "hello") throw new Error("a recording that is no hello");
    const message = bytes.subarray(5);
    for (let at = 1; at < message.length; at++) {
      const split = build.concat([build.record(message.subarray(0, at)), build.record(message.subarray(at))]);
      expect(verdictOf(split)).toEqual({ kind: "hello", hello: { ...whole.hello, records: 2 } });
    }
  });
});

describe("what a hello says", () => {
  test("an absent extension, and an empty name, are no name", () => {
    expect(helloOf().serverName).toBeNull();
    expect(helloOf(build.serverName("")).serverName).toBeNull();
  });

  test("the name is given as it was sent", () => {
    const name = "APP.Example.test.";
    expect(text(helloOf(build.serverName(name)).serverName)).toBe(name);
    expect(canonicalName(helloOf(build.serverName(name)).serverName!)).toBe("app.example.test");
  });

  test("names and protocols outlive the memory they were read from", () => {
    const bytes = Buffer.from(
      build.record(build.clientHello({ extensions: [build.serverName("a.test"), build.alpn("h2", "x")] })),
    );
    const verdict = new HelloParser().push(bytes);
    bytes.fill(0xff);
    if (verdict.kind !== "hello") throw new Error("no hello");
    expect(text(verdict.hello.serverName)).toBe("a.test");
    expect([...verdict.hello.alpn].map(text)).toEqual(["h2", "x"]);
  });

  test("supported_versions counts without GREASE, whatever the legacy version says", () => {
    expect(helloOf(build.supportedVersions(0x3a3a, 0x0304, 0x0303)).versions).toEqual([0x0304, 0x0303]);
    expect(helloOf(build.supportedVersions(0x3a3a)).versions).toEqual([]);
    const verdict = verdictOf(
      build.record(build.clientHello({ legacyVersion: 0x0301, extensions: [build.supportedVersions(0x0304)] })),
    );
    expect(verdict).toMatchObject({ kind: "hello", hello: { versions: [0x0304] } });
  });

  test.each([
    [0x0304, [0x0303, 0x0302, 0x0301, 0x0300]],
    [0x0303, [0x0303, 0x0302, 0x0301, 0x0300]],
    [0x0301, [0x0301, 0x0300]],
    [0x0300, [0x0300]],
    [0x0200, []],
  ])(
    "without supported_versions, legacy version %i offers everything up to it but never TLS 1.3",
    (legacyVersion, versions) => {
      const verdict = verdictOf(build.record(build.clientHello({ legacyVersion, extensions: null })));
      expect(verdict).toMatchObject({ kind: "hello", hello: { versions } });
    },
  );

  test("a share of an ML-KEM group makes it post-quantum, a broken key_share does not", () => {
    expect(helloOf(build.keyShare(0x001d)).postQuantum).toBe(false);
    for (const group of [0x11ec, 0x11eb, 0x11ed, 0x0201])
      expect(helloOf(build.keyShare(0x3a3a, 0x001d, group)).postQuantum).toBe(true);
    expect(helloOf(build.extension(51, Uint8Array.of(0xff))).postQuantum).toBe(false);
    expect(helloOf(build.extension(51, Uint8Array.of(0, 9, 0, 0x1d, 0xff, 0xff, 1, 2))).postQuantum).toBe(false);
  });

  test("encrypted_client_hello is noticed, and not read", () => {
    expect(helloOf(build.serverName("a.test")).ech).toBe(false);
    expect(helloOf(build.extension(0xfe0d, Uint8Array.of(9, 9, 9))).ech).toBe(true);
  });

  test("unknown and GREASE extensions may come twice, and any key_share", () => {
    const twice = [0x1234, 0x2a2a, 51, 21].map((type) => build.extension(type, Uint8Array.of(1)));
    expect(text(helloOf(...twice, ...twice, build.serverName("a.test")).serverName)).toBe("a.test");
  });

  test("bytes after the hello are nobody's business here", () => {
    const hello = build.clientHello({ extensions: [build.serverName("a.test")] });
    for (const rest of [Uint8Array.of(1), Uint8Array.of(0x15, 3, 3, 0, 0), new Uint8Array(70_000)]) {
      const parser = new HelloParser();
      const bytes = build.concat([build.record(hello), rest]);
      const verdict = parser.push(bytes);
      expect(verdict.kind).toBe("hello");
      expect(parser.push(rest)).toBe(verdict);
      expect(parser.bytesSeen).toBe(bytes.length + rest.length);
    }
  });
});

describe("what is refused", () => {
  const illegal = { reason: "malformed_hello", alert: alerts.illegalParameter };
  const decode = { reason: "malformed_hello", alert: alerts.decodeError };
  const unexpected = { reason: "malformed_hello", alert: alerts.unexpectedMessage };
  const tooLarge = { reason: "hello_too_large", alert: alerts.decodeError };
  const notTls = { reason: "not_tls", alert: null };
  const withExtensions = (...extensions: Uint8Array[]): Uint8Array => build.record(build.clientHello({ extensions }));
  const sni = (...data: number[]): Uint8Array => withExtensions(build.extension(0, Uint8Array.from(data)));

  test.each([
    ["server_name", build.serverName("a.test")],
    ["ALPN", build.alpn("h2")],
    ["supported_versions", build.supportedVersions(0x0304)],
    ["encrypted_client_hello", build.extension(0xfe0d, Uint8Array.of(0))],
  ])("%s twice is an illegal parameter", (_name, extension) => {
    expect(rejectionOf(withExtensions(extension, build.extension(21, new Uint8Array(3)), extension))).toEqual(illegal);
  });

  test("two host names are an illegal parameter, even when they are the same", () => {
    expect(rejectionOf(withExtensions(build.serverName("a.test", "b.test")))).toEqual(illegal);
    expect(rejectionOf(withExtensions(build.serverName("a.test", "a.test")))).toEqual(illegal);
  });

  test("a name of another type is a decode error, in front of a host name or after", () => {
    expect(rejectionOf(sni(0, 4, 1, 0, 1, 97))).toEqual(decode);
    expect(rejectionOf(sni(0, 8, 1, 0, 1, 97, 0, 0, 1, 97))).toEqual(decode);
    expect(rejectionOf(sni(0, 8, 0, 0, 1, 97, 1, 0, 1, 97))).toEqual(decode);
  });

  test.each([
    ["no list", []],
    ["an empty list", [0, 0]],
    ["a list that ends early", [0, 3, 0, 0, 1, 97]],
    ["a list that ends late", [0, 5, 0, 0, 1, 97]],
    ["an entry without a length", [0, 2, 0, 0]],
    ["a name longer than the list", [0, 4, 0, 0, 2, 97]],
    ["a byte after the list", [0, 4, 0, 0, 1, 97, 0]],
  ])("server_name with %s is a decode error", (_what, data) => {
    expect(rejectionOf(sni(...data))).toEqual(decode);
  });

  test.each([
    ["ALPN without a list", build.extension(16, new Uint8Array(0))],
    ["ALPN with an empty list", build.extension(16, Uint8Array.of(0, 0))],
    ["ALPN with an empty name", build.extension(16, Uint8Array.of(0, 3, 1, 104, 0))],
    ["ALPN with a name over the end", build.extension(16, Uint8Array.of(0, 2, 2, 104))],
    ["supported_versions of an odd length", build.extension(43, Uint8Array.of(3, 3, 4, 3))],
    ["empty supported_versions", build.extension(43, Uint8Array.of(0))],
    ["supported_versions without a length", build.extension(43, new Uint8Array(0))],
    ["supported_versions with a byte to spare", build.extension(43, Uint8Array.of(2, 3, 4, 3))],
    ["an extension that reaches beyond the block", Uint8Array.of(0, 21, 0, 9, 0)],
    ["an extension without a length", Uint8Array.of(0, 21, 0)],
  ])("%s is a decode error", (_what, extension) => {
    expect(rejectionOf(withExtensions(extension))).toEqual(decode);
  });

  test.each([
    ["a session id over 32 bytes", { sessionId: new Uint8Array(33) }],
    ["no cipher suites", { cipherSuites: new Uint8Array(0), sessionId: new Uint8Array(8) }],
    ["half a cipher suite", { cipherSuites: new Uint8Array(3) }],
    ["no compression method", { compressionMethods: new Uint8Array(0) }],
  ])("%s is a decode error", (_what, parts) => {
    expect(rejectionOf(build.record(build.clientHello(parts)))).toEqual(decode);
  });

  test("a body that does not end where its fields do is a decode error, whichever field lies", () => {
    const body = build.clientHello({ extensions: [build.serverName("a.test")] }).subarray(4);
    expect(rejectionOf(build.record(build.message(1, build.concat([body, Uint8Array.of(0)]))))).toEqual(decode);
    for (let length = 0; length < body.length; length++) {
      const cut = verdictOf(build.record(build.message(1, body.subarray(0, length))));
      // Cut exactly after the compression methods it is a hello without extensions.
      expect(cut.kind, `${length}`).toBe(length === 41 ? "hello" : "rejected");
    }
  });

  test("another message first is unexpected, at its first byte", () => {
    for (const type of [0, 2, 4, 11, 22, 254]) {
      expect(rejectionOf(build.record(Uint8Array.of(type)))).toEqual(unexpected);
    }
  });

  test("another record first is unexpected, but an alert or no TLS at all closes without an alert", () => {
    for (const type of [20, 23, 24]) expect(rejectionOf(Uint8Array.of(type, 3))).toEqual(unexpected);
    expect(rejectionOf(Uint8Array.of(21))).toEqual(notTls);
    for (const type of [0, 1, 19, 25, 26, 0x47, 0x7f]) expect(rejectionOf(Uint8Array.of(type))).toEqual(notTls);
    for (const major of [0, 2, 4, 0xfe]) expect(rejectionOf(Uint8Array.of(22, major))).toEqual(notTls);
  });

  test("an SSLv2 hello is told that its version is too old; what only begins like one is not TLS", () => {
    const oldVersion = { reason: "tls_version", alert: alerts.protocolVersion };
    for (const version of [
      [0, 2],
      [3, 0],
      [3, 3],
    ])
      expect(rejectionOf(Uint8Array.of(0x80, 0x2e, 1, ...version))).toEqual(oldVersion);
    expect(rejectionOf(Uint8Array.of(0xff, 0x2e, 1, 3, 1))).toEqual(oldVersion);
    for (const bytes of [
      [0x80, 0x2e, 2],
      [0x80, 0x2e, 1, 1],
      [0x80, 0x2e, 1, 0, 3],
    ]) {
      expect(rejectionOf(Uint8Array.from(bytes))).toEqual(notTls);
    }
  });

  const hello = build.clientHello({ extensions: [build.serverName("app.example.test")] });
  const half = build.record(hello.subarray(0, 20));
  const rest = build.record(hello.subarray(20));

  test("nothing may come between the fragments, nor a fragment be empty", () => {
    for (const type of [20, 21, 23, 24]) {
      expect(rejectionOf(build.concat([half, build.record(Uint8Array.of(1, 0), type), rest]))).toEqual(unexpected);
    }
    const empty = build.record(new Uint8Array(0));
    expect(rejectionOf(build.concat([empty, half, rest]))).toEqual(unexpected);
    expect(rejectionOf(build.concat([half, empty, rest]))).toEqual(unexpected);
  });

  test("a fragment with a major version that is not 3 is not TLS", () => {
    expect(rejectionOf(build.concat([half, build.record(hello.subarray(20), 22, 0x0400)]))).toEqual(notTls);
  });

  test("a record over 2^14 overflows, first or later, and is known from its header", () => {
    const overflow = { reason: "malformed_hello", alert: alerts.recordOverflow };
    const header = Uint8Array.of(22, 3, 1, 0x40, 0x01);
    expect(rejectionOf(header)).toEqual(overflow);
    expect(rejectionOf(build.concat([half, header]))).toEqual(overflow);
    expect(verdictOf(Uint8Array.of(22, 3, 1, 0x40, 0x00)).kind).toBe("incomplete");
  });

  test("a hello of the limit is read, one byte more is refused at the ninth byte", () => {
    const sized = (length: number): Uint8Array => {
      const padding = length - build.clientHello({ extensions: [build.extension(21, new Uint8Array(0))] }).length;
      return build.clientHello({ extensions: [build.extension(21, new Uint8Array(padding))] });
    };
    const inRecords = (message: Uint8Array): Uint8Array => {
      const parts: Uint8Array[] = [];
      for (let at = 0; at < message.length; at += 16_384) parts.push(build.record(message.subarray(at, at + 16_384)));
      return build.concat(parts);
    };
    expect(verdictOf(inRecords(sized(32_768))).kind).toBe("hello");
    expect(rejectionOf(inRecords(sized(32_769)))).toEqual(tooLarge);
    expect(decidedAt(inRecords(sized(32_769)))).toBe(9);
    const small = new HelloParser({ handshakeBytesMax: 1000 });
    expect(small.push(build.record(sized(1000))).kind).toBe("hello");
    expect(new HelloParser({ handshakeBytesMax: 1000 }).push(build.record(sized(1001))).kind).toBe("rejected");
  });

  test("a message too short for a hello is refused at the ninth byte", () => {
    const bytes = Uint8Array.of(22, 3, 1, 0, 44, 1, 0, 0, 40);
    expect(rejectionOf(bytes)).toEqual(decode);
    expect(decidedAt(bytes)).toBe(9);
  });

  test("65,536 wire bytes without a whole hello are too many, whatever way they come", () => {
    const message = build.clientHello({ extensions: [build.extension(21, new Uint8Array(20_000))] });
    const bytes = build.concat(Array.from(message, (byte) => build.record(Uint8Array.of(byte))));
    expect(bytes.length).toBeGreaterThan(65_536);
    expect(rejectionOf(bytes)).toEqual(tooLarge);
    expect(decidedAt(bytes)).toBe(65_536);
    expect(verdictOf(bytes.subarray(0, 65_535)).kind).toBe("incomplete");
  });

  test("a hello that ends with the last wire byte allowed is read", () => {
    const singles = 10_000;
    const length = 65_536 - 5 - 5 * singles;
    const empty = build.clientHello({ extensions: [build.extension(21, new Uint8Array(0))] });
    const message = build.clientHello({ extensions: [build.extension(21, new Uint8Array(length - empty.length))] });
    const front = Array.from(message.subarray(0, singles), (byte) => build.record(Uint8Array.of(byte)));
    const bytes = build.concat([...front, build.record(message.subarray(singles))]);
    expect(bytes.length).toBe(65_536);
    expect(verdictOf(bytes).kind).toBe("hello");
  });
});

function realHellos(sources: readonly string[]): typeof recordings {
  return sources.flatMap((source) => recordings.filter((vector) => vector.source.includes(source)).slice(0, 1));
}
