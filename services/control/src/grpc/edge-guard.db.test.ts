import * as grpc from "@grpc/grpc-js";
import { EdgeService } from "@helloway/proto/edge";
import { BasicConstraintsExtension, X509CertificateGenerator } from "@helloway/runtime/x509";
import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../../../test/harness/control-plane.ts";
import { eachDatabase } from "../../../../test/harness/database.ts";
import {
  type ClientIdentity,
  connectEdge,
  createEdgeClient,
  createKeys,
  enrolEdge,
  toIdentity,
} from "../../../../test/harness/edge-client.ts";
import { certificates, edges } from "../db/schema/edges.ts";
import type { Authority } from "../fleet/authority.ts";
import { issueEdgeCertificate } from "../fleet/certificates.ts";

const dayMs = 24 * 3_600_000;

eachDatabase((open) => {
  let control: ControlPlane;

  beforeAll(async () => {
    control = await startControlPlane(await open());
    await control.fleet.pool("main");
  });

  /** What calling the method without any content ends with. */
  const call = async (method: keyof typeof EdgeService.method, identity: ClientIdentity | null) => {
    const client = createEdgeClient(control, identity);
    switch (EdgeService.method[method].methodKind) {
      case "unary":
        return await (client[method] as (request: object) => Promise<unknown>)({}).then(
          () => grpc.status.OK,
          (error: grpc.ServiceError) => error.code,
        );
      case "bidi_streaming":
        return await new Promise((resolve) => {
          const stream = (client[method] as typeof client.connect)();
          stream.on("error", () => undefined);
          stream.on("data", () => undefined);
          stream.on("status", ({ code }: grpc.StatusObject) => resolve(code));
          stream.end();
        });
    }
  };

  const issue = async (authority: Authority, edgeId: string, at: Date, lifetimeMs: number) => {
    const keys = await createKeys();
    const issued = await issueEdgeCertificate(authority, { edgeId, publicKey: keys.publicKey, now: at, lifetimeMs });
    return { issued, identity: await toIdentity(keys, issued.certificate) };
  };

  /** As if the edge had been given it: valid or not is then a matter of its dates only. */
  const record = async (edgeId: string, issued: Awaited<ReturnType<typeof issueEdgeCertificate>>): Promise<void> => {
    const row = { ...issued, edgeId, generation: 2, keyHash: new Uint8Array(32) };
    await control.database.db.insert(certificates).values(row);
  };

  const otherAuthority = async (name: string): Promise<Authority> => {
    const keys = await createKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: "40",
      name,
      keys,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      extensions: [new BasicConstraintsExtension(true, 0, true)],
    });
    return { certificate, key: keys.privateKey };
  };

  describe.each(EdgeService.methods.map(({ localName }) => localName as keyof typeof EdgeService.method))(
    "%s",
    (method) => {
      // Enroll gets as far as looking at the token; nothing else gets anywhere.
      const details = method === "enroll" ? "the token" : "the certificate";
      const refused = grpc.status.UNAUTHENTICATED;

      test(`is refused for ${details} without a certificate`, async () => {
        expect(await call(method, null)).toBe(refused);
      });

      test(`is refused for ${details} with a certificate of another authority`, async () => {
        const { enrolled } = await enrolEdge(control, "main", `foreign-${method}`);
        const { issued, identity } = await issue(await otherAuthority("CN=other"), enrolled.edgeId, new Date(), dayMs);
        await record(enrolled.edgeId, issued);
        expect(await call(method, identity)).toBe(refused);
      });

      test(`is refused for ${details} with an expired certificate`, async () => {
        const { enrolled } = await enrolEdge(control, "main", `expired-${method}`);
        const at = new Date(Date.now() - 2 * dayMs);
        const { issued, identity } = await issue(control.authority, enrolled.edgeId, at, dayMs);
        await record(enrolled.edgeId, issued);
        expect(await call(method, identity)).toBe(refused);
      });

      test(`is refused for ${details} with a certificate that the database does not know`, async () => {
        const { enrolled } = await enrolEdge(control, "main", `unknown-${method}`);
        const { identity } = await issue(control.authority, enrolled.edgeId, new Date(), dayMs);
        expect(await call(method, identity)).toBe(refused);
      });

      test(`is refused for ${details} to a revoked edge, and with a revoked certificate`, async () => {
        const edge = await enrolEdge(control, "main", `revoked-${method}`);
        const { db } = control.database;
        const now = new Date();
        await db.update(certificates).set({ revokedAt: now }).where(eq(certificates.edgeId, edge.enrolled.edgeId));
        expect(await call(method, edge.identity)).toBe(refused);
        await db.update(certificates).set({ revokedAt: null }).where(eq(certificates.edgeId, edge.enrolled.edgeId));
        await db.update(edges).set({ revokedAt: now }).where(eq(edges.id, edge.enrolled.edgeId));
        expect(await call(method, edge.identity)).toBe(refused);
      });
    },
  );

  test("a certificate of another authority that took our authority's name authenticates nobody", async () => {
    const { enrolled, identity: own } = await enrolEdge(control, "main", "forged");
    const forger = await otherAuthority(control.authority.certificate.subject);
    const { issued, identity } = await issue(forger, enrolled.edgeId, new Date(), dayMs);
    await record(enrolled.edgeId, issued);
    // Whether the handshake or the interceptor ends it is a matter of what OpenSSL says of the signature.
    expect([grpc.status.UNAUTHENTICATED, grpc.status.UNAVAILABLE]).toContain(await call("connect", identity));
    expect(await call("report", own)).toBe(grpc.status.INVALID_ARGUMENT);
  });

  test("a certificate whose life ends by the database's word is refused though its handshake succeeds", async () => {
    const edge = await enrolEdge(control, "main", "ended");
    await control.database.db
      .update(certificates)
      .set({ notAfter: new Date(Date.now() - 1_000) })
      .where(eq(certificates.edgeId, edge.enrolled.edgeId));
    expect(await call("connect", edge.identity)).toBe(grpc.status.UNAUTHENTICATED);
  });

  test("the stream of an edge that is revoked ends by itself", { timeout: 20_000 }, async () => {
    const edge = await enrolEdge(control, "main", "revoked");
    const connection = connectEdge(edge);
    await connection.welcome;
    await control.database.db.update(edges).set({ revokedAt: new Date() }).where(eq(edges.id, edge.enrolled.edgeId));
    expect(await connection.ended).toMatchObject({
      code: grpc.status.UNAUTHENTICATED,
      details: expect.stringContaining("edge_revoked") as string,
    });
  });

  test("a stream that the database has forgotten, being restored from a backup, ends and begins anew", async () => {
    const replica = await startControlPlane(control.database, {
      streamLimits: { reviewIntervalMs: 100, unreviewedMaxMs: 10_000 },
    });
    const edge = await enrolEdge(control, "main", "restored");
    const atReplica = { ...edge, client: createEdgeClient(replica, edge.identity) };
    const before = connectEdge(atReplica);
    await before.welcome;
    await control.database.db.update(edges).set({ session: 0 }).where(eq(edges.id, edge.enrolled.edgeId));
    expect(await before.ended).toMatchObject({
      code: grpc.status.ABORTED,
      details: expect.stringContaining("unknown_session") as string,
    });
    await connectEdge(atReplica).welcome;
  });

  test("an older stream of an edge ends when a newer one has begun, here or at another replica", async () => {
    const replica = await startControlPlane(control.database, {
      streamLimits: { reviewIntervalMs: 100, unreviewedMaxMs: 10_000 },
    });
    const edge = await enrolEdge(control, "main", "twice");
    const atReplica = connectEdge({ ...edge, client: createEdgeClient(replica, edge.identity) });
    await atReplica.welcome;
    const older = connectEdge(edge);
    await older.welcome;
    expect(await atReplica.ended).toMatchObject({ code: grpc.status.ABORTED });
    const newer = connectEdge(edge);
    await newer.welcome;
    expect(await older.ended).toMatchObject({ code: grpc.status.ABORTED });
  });
});
