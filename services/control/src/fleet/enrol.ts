import { randomUUID } from "node:crypto";
import { and, desc, eq, gt, isNull } from "drizzle-orm";
import type { Db, Tx } from "../db/database.ts";
import { certificates, edges, joinTokens } from "../db/schema/edges.ts";
import { installation } from "../db/schema/installation.ts";
import { pools } from "../db/schema/pools.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { writeAudit } from "./audit.ts";
import type { Authority } from "./authority.ts";
import { readCertificateRequest } from "./certificate-request.ts";
import { issueEdgeCertificate } from "./certificates.ts";
import { systemPrincipal } from "./context.ts";
import { hashJoinToken } from "./join-tokens.ts";

export interface EnrolContext {
  db: Db;
  authority: Authority;
  certificateLifetimeMs: number;
  /** Names the call in the audit log. */
  requestId: string;
  now(): Date;
}

/** As it came from whoever holds the token. */
export interface Enrolment {
  joinToken: string;
  /** PKCS #10, DER. */
  certificateRequest: Uint8Array;
  /** Wanted; a token that carries a name overrides it. */
  name: string;
}

export interface Enrolled {
  edgeId: string;
  name: string;
  pool: string;
  installation: string;
  /** X.509, DER. */
  certificate: Uint8Array;
  caCertificates: Uint8Array[];
}

/** A host name, so that agents can default to theirs; it is a path segment of the API and a label of metrics. */
const edgeName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

/**
 * Exchanges a join token and a certificate request for an identity. The token is consumed by one statement, in the transaction
 * that makes the edge and its certificate. The same token with the same key, within its life, answers the same again: the reply
 * may have been lost. Throws unauthenticated/bad_join_token (unknown, expired, used with another key), invalid (request, name),
 * conflict/edge_name_taken (the token stays unused).
 */
export async function enrolEdge(ctx: EnrolContext, enrolment: Enrolment): Promise<Enrolled> {
  const now = ctx.now();
  const hash = hashJoinToken(enrolment.joinToken);
  // Who holds no token gets no signature checked.
  const [known] = await ctx.db
    .select({ id: joinTokens.id })
    .from(joinTokens)
    .where(and(eq(joinTokens.hash, hash), gt(joinTokens.expiresAt, now)));
  if (known === undefined) throw badToken();
  const { publicKey, keyHash } = await readCertificateRequest(enrolment.certificateRequest);
  const edgeId = randomUUID();
  const issued = await issueEdgeCertificate(ctx.authority, {
    edgeId,
    publicKey,
    lifetimeMs: ctx.certificateLifetimeMs,
    now,
  });
  return await inTransaction(ctx.db, async (tx) => {
    const [token] = await tx
      .update(joinTokens)
      .set({ consumedAt: now, keyHash })
      .where(and(eq(joinTokens.hash, hash), isNull(joinTokens.consumedAt), gt(joinTokens.expiresAt, now)))
      .returning();
    if (token === undefined) return await sameAnswer(tx, ctx, { hash, keyHash, now });
    const name = token.edgeName ?? enrolment.name;
    if (!edgeName.test(name)) {
      throw new HellowayError(
        "invalid",
        "bad_edge_name",
        "An edge's name has 1 to 253 of a-z, 0-9, hyphen and dot, and begins and ends with a letter or digit.",
      );
    }
    const [made] = await tx
      .insert(edges)
      .values({ id: edgeId, name, poolId: token.poolId, labels: token.labels, createdAt: now, updatedAt: now })
      .onConflictDoNothing({ target: edges.name })
      .returning({ id: edges.id });
    if (made === undefined) {
      throw new HellowayError(
        "conflict",
        "edge_name_taken",
        `There is an edge "${name}" already. Choose another name.`,
      );
    }
    const { serial, certificate, notBefore, notAfter } = issued;
    await tx
      .insert(certificates)
      .values({ serial, edgeId, generation: 1, keyHash, certificate, notBefore, notAfter, createdAt: now });
    await tx.update(joinTokens).set({ edgeId }).where(eq(joinTokens.id, token.id));
    await writeAudit(
      tx,
      { principal: systemPrincipal("enrolment"), origin: "enrolment", requestId: ctx.requestId, now: ctx.now },
      { action: "edge.enrol", object: `edges/${name}`, after: { serial, joinToken: token.id } },
    );
    return await answer(tx, ctx, edgeId);
  });
}

/** For a token that is consumed: what it was exchanged for, if by the same key. */
async function sameAnswer(
  tx: Tx,
  ctx: EnrolContext,
  again: { hash: Uint8Array; keyHash: Uint8Array; now: Date },
): Promise<Enrolled> {
  const [token] = await tx
    .select({ edgeId: joinTokens.edgeId })
    .from(joinTokens)
    .where(
      and(eq(joinTokens.hash, again.hash), eq(joinTokens.keyHash, again.keyHash), gt(joinTokens.expiresAt, again.now)),
    );
  if (token === undefined || token.edgeId === null) throw badToken();
  return await answer(tx, ctx, token.edgeId);
}

async function answer(tx: Tx, ctx: EnrolContext, edgeId: string): Promise<Enrolled> {
  const [edge] = await tx
    .select({
      edgeId: edges.id,
      name: edges.name,
      pool: pools.name,
      certificate: certificates.certificate,
    })
    .from(edges)
    .innerJoin(pools, eq(pools.id, edges.poolId))
    .innerJoin(certificates, eq(certificates.edgeId, edges.id))
    .where(and(eq(edges.id, edgeId), isNull(edges.revokedAt)))
    .orderBy(desc(certificates.generation))
    .limit(1);
  const [owner] = await tx.select({ id: installation.id }).from(installation);
  if (edge === undefined || owner === undefined) throw badToken();
  return { ...edge, installation: owner.id, caCertificates: [new Uint8Array(ctx.authority.certificate.rawData)] };
}

/** One answer for every reason, so that nobody learns which tokens exist. */
function badToken(): HellowayError {
  return new HellowayError(
    "unauthenticated",
    "bad_join_token",
    "The join token is unknown, expired or was used by another key. Ask an administrator for a new one.",
  );
}
