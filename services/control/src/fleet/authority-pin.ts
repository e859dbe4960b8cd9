import { createHash, X509Certificate } from "node:crypto";
import { asc, isNull } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { authorities } from "../db/schema/installation.ts";
import { HellowayError } from "../errors.ts";

/** SHA-256 of the SubjectPublicKeyInfo of the installation's authority, 32 bytes: what a join token lets an agent check. */
export async function readAuthorityPin(db: Db): Promise<Uint8Array> {
  const [row] = await db
    .select({ certificate: authorities.certificate })
    .from(authorities)
    .where(isNull(authorities.retiredAt))
    .orderBy(asc(authorities.createdAt))
    .limit(1);
  if (row === undefined) {
    throw new HellowayError(
      "unavailable",
      "no_authority",
      "The installation has no certificate authority yet. Start `helloway control` once with this database.",
    );
  }
  const spki = new X509Certificate(row.certificate).publicKey.export({ type: "spki", format: "der" });
  return new Uint8Array(createHash("sha256").update(spki).digest());
}
