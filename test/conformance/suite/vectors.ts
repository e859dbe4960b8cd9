// Every vector over real sockets, cut into segments as it says: the alert, the close reason, the route.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { TableObject } from "@helloway/edge/relay/relay";
import type { CloseReason } from "@helloway/routing/close-reason";
import type { Peer } from "../../harness/peer.ts";
import { defaultRoute, routeObject, settingsObject } from "../../harness/table-objects.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import { alertBytes, backendFields, type MakeRelay, useOneEngine } from "./fixture.ts";

interface EdgeCase {
  id: string;
  hex: string;
  chunks: number | null;
  then: "fin" | "silence" | null;
  verdict: "route" | "nosni" | "noroute" | "reject" | "close" | "timeout";
  sni: string | null;
  /** Of a routed hello; null: not offered, or not told. */
  alpn: string[] | null;
  alert: string | null;
}

const cases = JSON.parse(readFileSync(new URL("../../vectors/edge-cases.json", import.meta.url), "utf8")) as EdgeCase[];

const alertNumbers: Record<string, number> = {
  unexpected_message: alerts.unexpectedMessage,
  record_overflow: alerts.recordOverflow,
  illegal_parameter: alerts.illegalParameter,
  decode_error: alerts.decodeError,
  protocol_version: alerts.protocolVersion,
  missing_extension: alerts.missingExtension,
  unrecognized_name: alerts.unrecognizedName,
};

const HANDSHAKE_BYTES_MAX = 32_768;
/** Short, for the vectors in which the client falls silent. */
const HELLO_TIMEOUT_MS = 400;

export function defineVectors(makeRelay: MakeRelay): void {
  describe("every hello vector", () => {
    const start = useOneEngine(makeRelay);

    test.each(cases)("$id", async (row) => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const hello = { timeoutMs: row.then === "silence" ? HELLO_TIMEOUT_MS : 5_000, bytesMax: HANDSHAKE_BYTES_MAX };
      await engine.serve(settingsObject({ hello }), ...routesOfVectors(backendFields(backend)));
      const client = await engine.connect();
      const bytes = Buffer.from(row.hex, "hex");
      await sendSegments(client, bytes, row.chunks ?? bytes.length);
      if (row.then === "fin") client.end();

      if (row.verdict === "route") {
        const upstream = await backend.next();
        expect((await upstream.bytes(bytes.length)).equals(bytes)).toBe(true);
        client.end();
        expect(await upstream.over()).toBe("fin");
        upstream.end();
        await engine.closes(row.sni!, { client_closed: 1 });
        expect(engine.records[0]).toMatchObject({
          route: `team/${row.sni}`,
          alpn: (row.alpn ?? []).map(escaped),
          rx: bytes.length,
          tx: 0,
        });
        return;
      }
      await client.over();
      expect(expectedBytes(row)).toContain(client.received().toString("hex"));
      client.end();
      await expect.poll(() => engine.records.length).toBe(1);
      expect(engine.records[0]).toMatchObject({
        route: "-",
        reason: reasonOf(row),
        rx: bytes.length,
        tx: client.receivedBytes,
      });
      expect(backend.count).toBe(0);
    });
  });

  // A default may serve who is not registered, never who cannot be read.
  describe("every hello vector that is refused, in a pool with defaults", () => {
    const start = useOneEngine(makeRelay);
    const refused = cases.filter(({ verdict }) => ["reject", "close", "timeout"].includes(verdict));

    test.each(refused)("$id", async (row) => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const hello = { timeoutMs: row.then === "silence" ? HELLO_TIMEOUT_MS : 5_000, bytesMax: HANDSHAKE_BYTES_MAX };
      const backends = [backendFields(backend)];
      const defaults = { noSni: defaultRoute("@noSni", backends), unmatched: defaultRoute("@unmatched", backends) };
      await engine.serve(settingsObject({ hello, ...defaults }));
      const client = await engine.connect();
      const bytes = Buffer.from(row.hex, "hex");
      await sendSegments(client, bytes, row.chunks ?? bytes.length);
      if (row.then === "fin") client.end();
      await client.over();
      expect(expectedBytes(row)).toContain(client.received().toString("hex"));
      client.end();
      await expect.poll(() => engine.records.length).toBe(1);
      expect(engine.records[0]).toMatchObject({ route: "-", reason: reasonOf(row) });
      expect(backend.count).toBe(0);
    });
  });
}

/** As a record has it: printable ASCII. */
function escaped(text: string): string {
  return text.replace(/[^ -~]/g, (each) => `\\x${each.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** An exact route for the name of every vector that is to be routed. */
function routesOfVectors(backend: { host: string; port: number }): TableObject[] {
  const names = new Set(cases.filter((row) => row.verdict === "route").map((row) => row.sni!));
  return [...names].map((name) => routeObject(name, { hostnames: [name], backends: [backend] }));
}

/** One write a segment: the next only when this one left, so that they do not become one. */
async function sendSegments(client: Peer, bytes: Buffer, segmentBytes: number): Promise<void> {
  for (let at = 0; at < bytes.length && client.ended === null; at += segmentBytes) {
    await new Promise<void>((resolve) => {
      client.socket.write(bytes.subarray(at, at + segmentBytes), () => resolve());
    });
  }
}

/** What the client may have got, in hex. */
function expectedBytes({ alert }: EdgeCase): string[] {
  if (alert === null || alert === "none") return [""];
  return alert.split("|").map((name) => alertBytes(alertNumbers[name]!).toString("hex"));
}

/** Every refusal has one reason: what the alert does not tell, the bytes do. */
function reasonOf({ verdict, alert, hex }: EdgeCase): CloseReason {
  switch (verdict) {
    case "nosni":
      return "no_sni";
    case "noroute":
      return "no_route";
    case "close":
      return "client_gone";
    case "timeout":
      return "hello_timeout";
    default:
  }
  if (alert === "none") return "not_tls";
  if (alert === "protocol_version") return "tls_version";
  // A handshake record that begins with a client_hello says how long that is.
  const start = Buffer.from(hex, "hex");
  const declared = start.length >= 9 && start[0] === 22 && start[5] === 1 ? start.readUIntBE(6, 3) : 0;
  return declared + 4 > HANDSHAKE_BYTES_MAX ? "hello_too_large" : "malformed_hello";
}
