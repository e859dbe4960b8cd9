import { createHash } from "node:crypto";
import { and, eq, inArray, lt, ne } from "drizzle-orm";
import { idempotencyKeys } from "../db/schema/installation.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import type { Tx } from "../db/database.ts";
import type { Context } from "./context.ts";

/** How long a repeat is recognised. Callers repeat within seconds; a day also covers a queue that was stuck overnight. */
const keptMs = 24 * 60 * 60 * 1000;
/** Rows tidied up with each new one: more than one, so that the table stops growing. */
const tidiedMax = 10;

/** What makes a request the same one again: the same principal says so with the same key at the same place. */
export interface IdempotencyClaim {
  key: string;
  method: string;
  path: string;
  /** As received. */
  body: string;
}

/** What a transport answered, as much of it as it needs to say it again. */
export interface Answer {
  status: number;
  response: string;
  /** A response with a secret is not kept: a repeat cannot have it. */
  secret: boolean;
}

/**
 * Runs act at most once for a claim, however often it is asked, and answers every repeat as the first time. The claim is written in
 * the transaction of the write itself: both happen or neither does, so a failed request may simply be repeated. A repeat that comes
 * while the first one runs waits for it.
 */
export async function once(
  ctx: Context,
  claim: IdempotencyClaim,
  act: (ctx: Context) => Promise<Answer>,
): Promise<Answer> {
  const id = sha256([ctx.principal.kind, ctx.principal.id, claim.method, claim.path, claim.key]);
  const requestHash = sha256([claim.body]);
  return await inTransaction(ctx.db, async (tx) => {
    const oldest = new Date(ctx.now().getTime() - keptMs);
    await tx.delete(idempotencyKeys).where(and(eq(idempotencyKeys.id, id), lt(idempotencyKeys.createdAt, oldest)));
    const claimed = await tx
      .insert(idempotencyKeys)
      .values({ id, requestHash, status: 0, response: null, createdAt: ctx.now() })
      .onConflictDoNothing()
      .returning({ id: idempotencyKeys.id });
    if (claimed.length === 0) return await repeatOf(tx, id, requestHash);
    const answer = await act({ ...ctx, db: tx });
    await tx
      .update(idempotencyKeys)
      .set({ status: answer.status, response: answer.secret ? null : answer.response })
      .where(eq(idempotencyKeys.id, id));
    await tidy(tx, id, oldest);
    return answer;
  });
}

async function repeatOf(tx: Tx, id: Uint8Array, requestHash: Uint8Array): Promise<Answer> {
  const [first] = await tx.select().from(idempotencyKeys).where(eq(idempotencyKeys.id, id));
  if (first === undefined) throw new Error("a claim that conflicts is not there");
  if (!Buffer.from(first.requestHash).equals(requestHash)) {
    throw new HellowayError(
      "invalid",
      "idempotency_key_reused",
      "This Idempotency-Key was used for another body. Use a new key for a new request.",
      {
        problems: [
          { pointer: "idempotency-key:", code: "idempotency_key_reused", detail: "Used before, for another body." },
        ],
      },
    );
  }
  if (first.response === null) {
    throw new HellowayError(
      "conflict",
      "secret_already_issued",
      "This request was answered before and its secret is not kept. Revoke what was made and ask with a new Idempotency-Key.",
    );
  }
  return { status: first.status, response: first.response, secret: false };
}

/** Rows another transaction is tidying up are left to it. */
async function tidy(tx: Tx, id: Uint8Array, oldest: Date): Promise<void> {
  const old = tx
    .select({ id: idempotencyKeys.id })
    .from(idempotencyKeys)
    .where(and(ne(idempotencyKeys.id, id), lt(idempotencyKeys.createdAt, oldest)))
    .limit(tidiedMax)
    .for("update", { skipLocked: true });
  await tx.delete(idempotencyKeys).where(inArray(idempotencyKeys.id, old));
}

/** Over the parts with their lengths, so that no two lists of parts read the same. */
function sha256(parts: readonly string[]): Uint8Array {
  return new Uint8Array(createHash("sha256").update(JSON.stringify(parts)).digest());
}
