// Join tokens: `hwj_<32 random bytes>.<32 bytes: SHA-256 of the authority's SPKI>`, base64url. One use, ten minutes, hashed at rest.
import { createHash, randomBytes } from "node:crypto";
import { eq } from "drizzle-orm";
import { joinTokens } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { writeAudit } from "./audit.ts";
import { readAuthorityPin } from "./authority-pin.ts";
import { requireAdmin } from "./authorise.ts";
import type { Context } from "./context.ts";

const lifetimeMs = 10 * 60_000;

export interface CreateJoinToken {
  /** Its edge will belong to this pool. */
  pool: string;
  /** The edge's name; absent: the agent chooses. */
  name?: string;
  labels?: Record<string, string>;
  /** Where the edge is to connect, "host:port": for the command. */
  controlAddress: string;
}

export interface CreatedJoinToken {
  /** Shown once. */
  token: string;
  /** Starts an agent that enrols; the token is in its environment, never among the arguments that every user of a machine sees. */
  command: string;
  expiresAt: Date;
}

/** Makes a join token. Administrators. Throws not_found for an unknown pool. */
export async function createJoinToken(ctx: Context, input: CreateJoinToken): Promise<CreatedJoinToken> {
  requireAdmin(ctx);
  const now = ctx.now();
  const expiresAt = new Date(now.getTime() + lifetimeMs);
  const token = await inTransaction(ctx.db, async (tx) => {
    const [pool] = await tx.select({ id: pools.id }).from(pools).where(eq(pools.name, input.pool)).for("key share");
    if (pool === undefined) throw new HellowayError("not_found", "pool_not_found", `There is no pool "${input.pool}".`);
    const pin = await readAuthorityPin(tx);
    const made = `hwj_${randomBytes(32).toString("base64url")}.${Buffer.from(pin).toString("base64url")}`;
    await tx.insert(joinTokens).values({
      hash: hashJoinToken(made),
      poolId: pool.id,
      edgeName: input.name ?? null,
      labels: input.labels ?? {},
      createdBy: ctx.principal.name,
      createdAt: now,
      expiresAt,
    });
    await writeAudit(tx, ctx, {
      action: "join_token.create",
      object: `pools/${input.pool}`,
      after: { name: input.name ?? null, labels: input.labels ?? {}, expiresAt: expiresAt.toISOString() },
    });
    return made;
  });
  const command = `HELLOWAY_CONTROL_ADDRESS=${input.controlAddress} HELLOWAY_JOIN_TOKEN=${token} npx helloway agent`;
  return { token, command, expiresAt };
}

/** SHA-256 of the whole token: what the database knows it by. */
export function hashJoinToken(token: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}
