import { eq, inArray } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { read } from "../db/read.ts";
import { certificates, edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";

/** An edge as its certificate proves it. */
export interface AuthorisedEdge {
  edgeId: string;
  name: string;
  poolId: string;
  pool: string;
  /** Number of its newest session. */
  session: number;
}

export type EdgeAuthorisation =
  | { authorised: true; edge: AuthorisedEdge }
  | { authorised: false; code: "unknown_certificate" | "certificate_expired" | "certificate_revoked" | "edge_revoked" };

const unknown: EdgeAuthorisation = { authorised: false, code: "unknown_certificate" };

/**
 * What the database says now of the certificates with these serials (lower-case hex), each in the answer. A handshake
 * authorises nothing: resumed connections and long streams outlive a certificate and a revocation.
 */
export async function authoriseEdges(
  db: Db,
  { serials, now }: { serials: readonly string[]; now: Date },
): Promise<Map<string, EdgeAuthorisation>> {
  const rows = await read(db, () =>
    db
      .select({
        serial: certificates.serial,
        notBefore: certificates.notBefore,
        notAfter: certificates.notAfter,
        certificateRevokedAt: certificates.revokedAt,
        edgeRevokedAt: edges.revokedAt,
        edgeId: edges.id,
        name: edges.name,
        poolId: edges.poolId,
        pool: pools.name,
        session: edges.session,
      })
      .from(certificates)
      .innerJoin(edges, eq(edges.id, certificates.edgeId))
      .innerJoin(pools, eq(pools.id, edges.poolId))
      .where(inArray(certificates.serial, [...serials])),
  );
  const answers = new Map<string, EdgeAuthorisation>(serials.map((serial) => [serial, unknown]));
  for (const { serial, notBefore, notAfter, certificateRevokedAt, edgeRevokedAt, ...edge } of rows) {
    if (edgeRevokedAt !== null) answers.set(serial, { authorised: false, code: "edge_revoked" });
    else if (certificateRevokedAt !== null) answers.set(serial, { authorised: false, code: "certificate_revoked" });
    else if (now < notBefore || now > notAfter) answers.set(serial, { authorised: false, code: "certificate_expired" });
    else answers.set(serial, { authorised: true, edge });
  }
  return answers;
}

/** The same for one. */
export async function authoriseEdge(
  db: Db,
  { serial, now }: { serial: string; now: Date },
): Promise<EdgeAuthorisation> {
  return (await authoriseEdges(db, { serials: [serial], now })).get(serial) ?? unknown;
}
