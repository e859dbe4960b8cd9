import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { eachDatabase } from "../../../../test/harness/database.ts";
import { authorities } from "../db/schema/installation.ts";
import { ensureAuthority } from "./authority.ts";
import { issueServerCertificate } from "./certificates.ts";
import { ensureInstallation } from "./installation.ts";
import { createSealing } from "./sealing.ts";

const [keyA, keyB] = ["a".repeat(32), "b".repeat(32)];
const now = new Date("2026-11-23T12:00:00Z");

eachDatabase((open) => {
  test("replicas that start at the same moment get the same authority", async () => {
    const { db } = await open();
    const sealing = createSealing(keyA);
    await ensureInstallation(db, { sealing, now });
    const made = await Promise.all(Array.from({ length: 5 }, () => ensureAuthority(db, { sealing, now })));
    expect(new Set(made.map(({ certificate }) => certificate.serialNumber)).size).toBe(1);
    expect(await db.$count(authorities)).toBe(1);
  });

  test("after a start with new,old keys the old key is not needed any more", async () => {
    const { db } = await open();
    const options = (keys: string) => ({ sealing: createSealing(keys), now });
    await ensureInstallation(db, options(keyA));
    const before = await ensureAuthority(db, options(keyA));
    await expect(ensureAuthority(db, options(keyB))).rejects.toThrow("another key");
    await ensureAuthority(db, options(`${keyB},${keyA}`));
    const after = await ensureAuthority(db, options(keyB));
    expect(after.certificate.serialNumber).toBe(before.certificate.serialNumber);
  });

  test("the server certificate is for the one fixed name, and the chain ends with the authority", async () => {
    const { db } = await open();
    const sealing = createSealing(keyA);
    await ensureInstallation(db, { sealing, now });
    const authority = await ensureAuthority(db, { sealing, now });
    const identity = await issueServerCertificate(authority, now);
    const [server, ca] = identity.chain
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem)) as [X509Certificate, X509Certificate];
    expect(server.subjectAltName).toBe("DNS:control.helloway.internal");
    expect(server.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(server.checkIssued(ca) && server.verify(ca.publicKey)).toBe(true);
    expect([ca.ca, ca.checkIssued(ca)]).toEqual([true, true]);
  });
});
