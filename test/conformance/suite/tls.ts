// Real TLS, end to end through the engine: the certificate that a client sees and verifies is the backend's own.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missingClients, nodeClient, tlsClients } from "../../harness/tls-clients.ts";
import { routeObject } from "../../harness/table-objects.ts";
import { startTlsBackend } from "../../harness/tls-backend.ts";
import { backendFields, type Engine, type MakeRelay, routeTo, useOneEngine } from "./fixture.ts";

/** Payload of a full segment on the Internet, with timestamps and room for a tunnel: longer hellos come in two. */
const ETHERNET_SEGMENT_BYTES = 1_400;

const where = missingClients.length === 0 ? "" : ` (not installed here: ${missingClients.join(", ")})`;

export function defineTls(makeRelay: MakeRelay): void {
  describe(`real TLS clients${where}`, () => {
    const start = useOneEngine(makeRelay);
    let directory = "";

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "helloway-tls-"));
    });

    afterAll(async () => {
      await rm(directory, { recursive: true });
    });

    test.each(tlsClients)("$name reaches the backend of each name and verifies its certificate", async (program) => {
      await using one = await startTlsBackend(["one.example.test"], "this is one");
      await using two = await startTlsBackend(["two.example.test"], "this is two");
      const engine = await start();
      const backends = { "one.example.test": one, "two.example.test": two };
      await engine.serve(
        ...Object.entries(backends).map(([host, backend]) =>
          routeObject(host, { hostnames: [host], backends: [backendFields(backend)] }),
        ),
      );
      for (const listener of [engine.ipv4, engine.ipv6]) {
        for (const [servername, { cert }] of Object.entries(backends)) {
          const caFile = join(directory, `${servername}.pem`);
          await writeFile(caFile, cert);
          const answer = await program.get({ ...listener, servername, ca: cert, caFile });
          expect(answer.body).toBe(`this is ${servername.slice(0, 3)}`);
          if (answer.fingerprint !== null) expect(answer.fingerprint).toBe(new X509Certificate(cert).fingerprint256);
        }
      }
      // Browsers may come again, for an icon.
      await expect.poll(async () => (await engine.route("two.example.test"))?.opened ?? 0).toBeGreaterThanOrEqual(2);
    });

    test("Node's hello offers a post-quantum key share and arrives whole though it is cut in two", async () => {
      await using one = await startTlsBackend(["one.example.test"], "this is one");
      const engine = await start();
      await engine.serve(routeTo("one.example.test", one));
      await using between = await startSplitter(engine, ETHERNET_SEGMENT_BYTES);
      const answer = await nodeClient.get({ ...between, servername: "one.example.test", ca: one.cert, caFile: "" });
      expect(answer.body).toBe("this is one");
      expect(between.firstBytes()).toBeGreaterThan(ETHERNET_SEGMENT_BYTES);
      await expect.poll(() => engine.records).toMatchObject([{ sni: "one.example.test", pq: true }]);
    });
  });
}

interface Splitter extends AsyncDisposable {
  address: string;
  port: number;
  /** How much the client said at once. */
  firstBytes(): number;
}

/** Between one client and the engine: of what the client says first the engine gets so much, and has read it before the rest comes. */
async function startSplitter(engine: Engine, splitAt: number): Promise<Splitter> {
  let firstBytes = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ host: engine.ipv4.address, port: engine.ipv4.port, noDelay: true, allowHalfOpen: true });
    client.once("data", (first: Buffer) => {
      firstBytes = first.length;
      client.pause();
      upstream.write(first.subarray(0, splitAt));
      void untilRead(engine).then(() => {
        upstream.write(first.subarray(splitAt));
        client.pipe(upstream).pipe(client);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    firstBytes: () => firstBytes,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

/** What has arrived at the engine is read once it has answered twice: it reads between two answers. */
async function untilRead(engine: Engine): Promise<void> {
  await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
  for (let i = 0; i < 2; i++) await engine.relay.counters();
}
