import { randomUUID, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@helloway/runtime/x509";
import { asc, eq, isNull } from "drizzle-orm";
import type { Db, Tx } from "../db/database.ts";
import { authorities, installation } from "../db/schema/installation.ts";
import { inTransaction } from "../db/transaction.ts";
import type { Sealing } from "./sealing.ts";
import { randomSerial } from "./serial-number.ts";

export const ecdsaP256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** The installation's certificate authority, its key opened. */
export interface Authority {
  certificate: X509Certificate;
  key: webcrypto.CryptoKey;
}

/** Long, because edges hold nothing else to know the control plane by; rotation overlaps two. */
const lifetimeYears = 10;
const backdateMs = 60_000;

/** The authority of this installation, made when there is none. Replicas that start at the same moment get the same one. */
export async function ensureAuthority(db: Db, options: { sealing: Sealing; now: Date }): Promise<Authority> {
  const row = await inTransaction(db, async (tx) => {
    // The lock of the one installation row lets a single replica at a time look and make.
    const [owner] = await tx.select({ id: installation.id }).from(installation).for("update");
    if (owner === undefined) throw new Error("ensureAuthority needs the installation row");
    const [existing] = await tx
      .select()
      .from(authorities)
      .where(isNull(authorities.retiredAt))
      .orderBy(asc(authorities.createdAt))
      .limit(1);
    if (existing !== undefined) {
      await sealAnew(tx, existing, options.sealing);
      return existing;
    }
    const made = await makeAuthority(owner.id, options);
    await tx.insert(authorities).values(made);
    return made;
  });
  const pkcs8 = options.sealing.open(row.sealedKey, sealingContext(row.id));
  return {
    certificate: new X509Certificate(new Uint8Array(row.certificate)),
    key: await webcrypto.subtle.importKey("pkcs8", new Uint8Array(pkcs8), ecdsaP256, false, ["sign"]),
  };
}

/** After a change of the secret key nothing is to need the old one any more. */
async function sealAnew(tx: Tx, row: { id: string; sealedKey: Uint8Array }, sealing: Sealing): Promise<void> {
  if (sealing.isCurrent(row.sealedKey)) return;
  const context = sealingContext(row.id);
  const sealedKey = sealing.seal(sealing.open(row.sealedKey, context), context);
  await tx.update(authorities).set({ sealedKey }).where(eq(authorities.id, row.id));
}

async function makeAuthority(installationId: string, options: { sealing: Sealing; now: Date }) {
  const keys = await webcrypto.subtle.generateKey(ecdsaP256, true, ["sign", "verify"]);
  const notAfter = new Date(options.now);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + lifetimeYears);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: `CN=Helloway installation ${installationId}`,
    notBefore: new Date(options.now.getTime() - backdateMs),
    notAfter,
    signingAlgorithm: ecdsaP256,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const id = randomUUID();
  const pkcs8 = new Uint8Array(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    id,
    certificate: new Uint8Array(certificate.rawData),
    sealedKey: options.sealing.seal(pkcs8, sealingContext(id)),
  };
}

const sealingContext = (id: string): string => `authorities/${id}/sealed_key`;
