import { X509Certificate, createHash, randomBytes, webcrypto } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { Pkcs10CertificateRequestGenerator } from "@helloway/runtime/x509";
import { beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../../../test/harness/control-plane.ts";
import { eachDatabase } from "../../../../test/harness/database.ts";
import { createEdgeClient, createKeys, createRequest, enrolEdge } from "../../../../test/harness/edge-client.ts";
import { auditEvents } from "../db/schema/audit.ts";
import { certificates, edges, joinTokens } from "../db/schema/edges.ts";
import { createJoinToken } from "../fleet/join-tokens.ts";

const hourMs = 3_600_000;

eachDatabase((open) => {
  let control: ControlPlane;
  let clock = 0;

  beforeAll(async () => {
    control = await startControlPlane(await open(), {
      now: () => new Date(Date.now() + clock),
      certificateLifetimeMs: 24 * hourMs,
    });
    await control.fleet.pool("main");
  });

  const tokenFor = async (name?: string): Promise<string> => {
    const input = { pool: "main", controlAddress: control.address, ...(name === undefined ? {} : { name }) };
    return (await createJoinToken(control.fleet.admin, input)).token;
  };
  const enrol = async (joinToken: string, name: string, certificateRequest?: Uint8Array) =>
    await createEdgeClient(control, null).enroll({
      joinToken,
      name,
      certificateRequest: certificateRequest ?? (await createRequest(await createKeys())),
    });

  test("a join token is exchanged for an identity that the edge connects with", async () => {
    const { enrolled } = await enrolEdge(control, "main", "first.example");
    const certificate = new X509Certificate(enrolled.certificate);
    expect(enrolled).toMatchObject({ name: "first.example", pool: "main" });
    expect(certificate.subjectAltName).toBe(`URI:helloway://edge/${enrolled.edgeId}`);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(certificate.ca).toBe(false);
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
    const [ca] = enrolled.caCertificates.map((der) => new X509Certificate(der));
    expect(certificate.verify((ca as X509Certificate).publicKey)).toBe(true);
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    expect(Math.round((to - from) / 1000)).toBe((24 * hourMs) / 1000 + 60);
  });

  test("the pin in the token is the hash of the authority's public key, and the token is at rest only as a hash", async () => {
    const token = await tokenFor();
    const spki = new X509Certificate(Buffer.from(control.authority.certificate.rawData)).publicKey;
    const pin = createHash("sha256")
      .update(spki.export({ type: "spki", format: "der" }))
      .digest("base64url");
    expect(token).toMatch(new RegExp(`^hwj_[\\w-]{43}\\.${pin}$`));
    const rows = await control.database.db.select().from(joinTokens);
    expect(JSON.stringify(rows)).not.toContain(token.slice(4, 20));
    expect(JSON.stringify(await control.database.db.select().from(auditEvents))).not.toContain(token.slice(4, 20));
  });

  test("the command passes the token by environment", async () => {
    const { command, token } = await createJoinToken(control.fleet.admin, { pool: "main", controlAddress: "cp:8081" });
    expect(command).toBe(`HELLOWAY_CONTROL_ADDRESS=cp:8081 HELLOWAY_JOIN_TOKEN=${token} npx helloway agent`);
  });

  test("the same token and key get the same answer again, so that a lost reply loses nothing", async () => {
    const token = await tokenFor();
    const request = await createRequest(await createKeys());
    const first = await enrol(token, "twice", request);
    expect(await enrol(token, "another-name", request)).toEqual(first);
  });

  test("a used token is refused to another key", async () => {
    const token = await tokenFor();
    await enrol(token, "used");
    await expect(enrol(token, "thief")).rejects.toMatchObject({ code: grpc.status.UNAUTHENTICATED });
  });

  test("of two keys with one token at the same moment one becomes an edge", async () => {
    const token = await tokenFor();
    const answers = await Promise.allSettled([enrol(token, "left"), enrol(token, "right")]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    const made = await control.database.db.select({ name: edges.name }).from(edges);
    expect(made.filter(({ name }) => name === "left" || name === "right")).toHaveLength(1);
  });

  test("an unknown token is refused, and an expired one is as unknown", async () => {
    const unknown = `hwj_${randomBytes(32).toString("base64url")}.${randomBytes(32).toString("base64url")}`;
    await expect(enrol(unknown, "x")).rejects.toMatchObject({ code: grpc.status.UNAUTHENTICATED });
    const token = await tokenFor();
    clock = 11 * 60_000;
    try {
      await expect(enrol(token, "late")).rejects.toMatchObject({ code: grpc.status.UNAUTHENTICATED });
    } finally {
      clock = 0;
    }
  });

  test("the token's name is the edge's", async () => {
    expect((await enrol(await tokenFor("bound"), "wanted")).name).toBe("bound");
  });

  test("a name that is taken is refused, and the token can be used with another", async () => {
    await enrol(await tokenFor(), "taken");
    const token = await tokenFor();
    await expect(enrol(token, "taken")).rejects.toMatchObject({ code: grpc.status.ALREADY_EXISTS });
    expect((await enrol(token, "free")).name).toBe("free");
  });

  test.each(["", "Upper", "a b", "-a", "a.", "ü", "a/b", "x".repeat(254)])("the name %j is refused", async (name) => {
    await expect(enrol(await tokenFor(), name)).rejects.toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  });

  describe("a certificate request is refused", () => {
    const refused = async (request: Uint8Array): Promise<void> => {
      const before = await control.database.db.$count(certificates);
      await expect(enrol(await tokenFor(), "nobody", request)).rejects.toMatchObject({
        code: grpc.status.INVALID_ARGUMENT,
        details: expect.stringContaining("bad_certificate_request") as string,
      });
      expect(await control.database.db.$count(certificates)).toBe(before);
    };

    test("without bytes, with noise, and with too many bytes", async () => {
      await refused(new Uint8Array());
      await refused(new Uint8Array(randomBytes(300)));
      await refused(new Uint8Array(5_000));
    });

    test("with another kind of key", async () => {
      const rsa = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048 };
      const keys = await webcrypto.subtle.generateKey({ ...rsa, publicExponent: new Uint8Array([1, 0, 1]) }, true, [
        "sign",
        "verify",
      ]);
      const request = await Pkcs10CertificateRequestGenerator.create({ name: "CN=x", keys, signingAlgorithm: rsa });
      await refused(new Uint8Array(request.rawData));
      const p384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
      const larger = await createKeys(p384);
      const of384 = await Pkcs10CertificateRequestGenerator.create({
        name: "CN=x",
        keys: larger,
        signingAlgorithm: p384,
      });
      await refused(new Uint8Array(of384.rawData));
    });

    test("whose signature is not by its key", async () => {
      const [own, other] = [await createKeys(), await createKeys()];
      await refused(await createRequest({ publicKey: own.publicKey, privateKey: other.privateKey }));
    });
  });

  test("only an administrator makes join tokens, and only for a pool that there is", async () => {
    const input = { pool: "main", controlAddress: "x:1" };
    await expect(createJoinToken(control.fleet.viewer, input)).rejects.toMatchObject({ kind: "forbidden" });
    await expect(createJoinToken(control.fleet.admin, { ...input, pool: "none" })).rejects.toMatchObject({
      kind: "not_found",
    });
  });
});
