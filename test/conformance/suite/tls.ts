// Real TLS, end to end through the engine: the certificate that a client sees and verifies is the backend's own.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missingClients, tlsClients } from "../../harness/tls-clients.ts";
import { routeObject } from "../../harness/table-objects.ts";
import { startTlsBackend } from "../../harness/tls-backend.ts";
import { backendFields, type MakeRelay, useEngines } from "./fixture.ts";

const where = missingClients.length === 0 ? "" : ` (not installed here: ${missingClients.join(", ")})`;

export function defineTls(makeRelay: MakeRelay): void {
  describe(`real TLS clients${where}`, () => {
    const start = useEngines(makeRelay);
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
      await expect.poll(async () => (await engine.route("two.example.test"))?.opened).toBe(2);
    });
  });
}
