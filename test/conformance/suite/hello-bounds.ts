// What the vectors have no room for: hellos at a cap and one byte beyond it, and each field that must not come twice.
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import { settingsObject } from "../../harness/table-objects.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import { alpn, clientHello, extension, extensionTypes, record } from "../../vectors/hello-bytes.ts";
import { serverName, supportedVersions } from "../../vectors/hello-bytes.ts";
import { expectRefusal, type MakeRelay, routeTo, useOneEngine } from "./fixture.ts";
import { say } from "./outcome.ts";

const name = "app.example.test";
const HANDSHAKE_BYTES_MAX = 32_768;
const WIRE_BYTES_MAX = 65_536;
const RECORD_HEADER_BYTES = 5;

/** A hello of so many handshake bytes, the header of the message included. */
function helloOf(handshakeBytes: number): Uint8Array {
  const padded = (bytes: number): Uint8Array =>
    clientHello({ extensions: [serverName(name), extension(extensionTypes.padding, new Uint8Array(bytes))] });
  return padded(handshakeBytes - padded(0).length);
}

/** The message in so many records: small ones, and a last one with the rest. */
function inRecords(message: Uint8Array, records: number, smallBytes: number): Buffer {
  const parts = Array.from({ length: records }, (_, i) => {
    const at = i * smallBytes;
    return record(message.subarray(at, i === records - 1 ? message.length : at + smallBytes));
  });
  return Buffer.concat(parts);
}

const whole = (handshakeBytes: number): Buffer => inRecords(helloOf(handshakeBytes), 3, 16_000);

/** As many wire bytes as that, of a hello that is under the other cap. */
function onTheWire(wireBytes: number): Buffer {
  const records = 6_560;
  return inRecords(helloOf(wireBytes - records * RECORD_HEADER_BYTES), records, 3);
}

const OWN_CAP = 700;

const bounds: { what: string; cap?: number; within: Buffer; beyond: Buffer }[] = [
  { what: "32,768 handshake bytes", within: whole(HANDSHAKE_BYTES_MAX), beyond: whole(HANDSHAKE_BYTES_MAX + 1) },
  { what: "65,536 bytes on the wire", within: onTheWire(WIRE_BYTES_MAX), beyond: onTheWire(WIRE_BYTES_MAX + 1) },
  {
    what: "the pool's own cap",
    cap: OWN_CAP,
    within: Buffer.from(record(helloOf(OWN_CAP))),
    beyond: Buffer.from(record(helloOf(OWN_CAP + 1))),
  },
];

const versions = supportedVersions(0x0304, 0x0303);
const protocols = alpn("h2");
const encrypted = extension(extensionTypes.ech, new Uint8Array(40));
const unknown = extension(0x1234, new Uint8Array(3));
const grease = extension(0x2a2a, new Uint8Array(0));

const twice: [string, Uint8Array[]][] = [
  ["server_name", [serverName(name), serverName(name)]],
  ["ALPN", [serverName(name), protocols, protocols]],
  ["supported_versions", [serverName(name), versions, versions]],
  ["encrypted_client_hello", [serverName(name), encrypted, encrypted]],
];

const sslV2: [string, string][] = [
  ["2", "802b010002"],
  ["3.0", "802b010300"],
  ["3.3", "802b010303"],
];

export function defineHelloBounds(makeRelay: MakeRelay): void {
  describe("hellos at their bounds", () => {
    const start = useOneEngine(makeRelay);

    test.each(bounds)("pass with $what, and are too large with one more", async ({ cap, within, beyond }) => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const hello = { timeoutMs: 60_000, bytesMax: cap ?? HANDSHAKE_BYTES_MAX };
      await engine.serve(settingsObject({ hello }), routeTo(name, backend));
      const client = await say(engine, within);
      const upstream = await backend.next();
      expect((await upstream.bytes(within.length)).equals(within)).toBe(true);
      client.end();
      await upstream.over();
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      await expectRefusal(await say(engine, beyond), alerts.decodeError);
      await engine.closes("-", { hello_too_large: 1 });
      expect(backend.count).toBe(1);
    });

    test.each(twice)("that have %s twice are malformed", async (_what, extensions) => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      await expectRefusal(await say(engine, record(clientHello({ extensions }))), alerts.illegalParameter);
      await engine.closes("-", { malformed_hello: 1 });
      expect(backend.count).toBe(0);
    });

    test("may have unknown extensions and GREASE twice", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const extensions = [grease, unknown, serverName(name), versions, unknown, grease];
      const client = await say(engine, record(clientHello({ extensions })));
      const upstream = await backend.next();
      await upstream.bytes(1);
      client.end();
      await upstream.over();
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
    });

    test.each(sslV2)("of SSLv2 that offer version %s are of no version that is served", async (_version, hex) => {
      const engine = await start();
      await engine.serve();
      const bytes = Buffer.concat([Buffer.from(hex, "hex"), Buffer.alloc(0x2b - 3)]);
      await expectRefusal(await say(engine, bytes), alerts.protocolVersion);
      await engine.closes("-", { tls_version: 1 });
    });
  });
}
