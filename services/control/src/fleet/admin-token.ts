import type { Db } from "../db/database.ts";
import { installation } from "../db/schema/installation.ts";
import { tokens } from "../db/schema/teams.ts";
import { inTransaction } from "../db/transaction.ts";
import { actorOf, writeAudit } from "./audit.ts";
import { systemPrincipal } from "./context.ts";
import { hashTokenText, makeTokenText } from "./token-text.ts";

/**
 * The token of the first administrator, when the installation has no token at all; else null. The caller keeps it where only the
 * operator reads: it cannot be had again. Of several replicas one gets it.
 */
export async function createFirstAdminToken(db: Db, { now }: { now(): Date }): Promise<string | null> {
  return await inTransaction(db, async (tx) => {
    await tx.select({ id: installation.id }).from(installation).for("update");
    const any = await tx.select({ id: tokens.id }).from(tokens).limit(1);
    if (any.length > 0) return null;
    const token = makeTokenText();
    const principal = systemPrincipal("control");
    const values = {
      name: "first-admin",
      hash: hashTokenText(token),
      role: "admin" as const,
      createdBy: actorOf(principal),
      createdAt: now(),
    };
    const [row] = await tx.insert(tokens).values(values).returning({ id: tokens.id });
    const ctx = { principal, origin: "start", requestId: "", now };
    await writeAudit(tx, ctx, {
      action: "token.create",
      object: `tokens/${row?.id}`,
      after: { name: values.name, role: values.role },
    });
    return token;
  });
}
