import { sql } from "drizzle-orm";
import type { Tx } from "../db/database.ts";

// Advisory locks, held until the end of the transaction. Taken before any pool is locked. The numbers are ours alone in this database.
const ownershipLock = 4_931_507_219;
const socketsLock = 4_931_507_220;

/**
 * Who owns a name depends on every verified domain above it, those not written yet included, which no row lock covers. Writers of routes
 * share this lock; whoever changes which domains are verified has it alone, for the moment that takes.
 */
export async function lockOwnership(tx: Tx, how: "shared" | "exclusive"): Promise<void> {
  await tx.execute(
    how === "shared"
      ? sql`select pg_advisory_xact_lock_shared(${ownershipLock})`
      : sql`select pg_advisory_xact_lock(${ownershipLock})`,
  );
}

/** So that a pool that is being made and a socket that is being reported do not miss each other. */
export async function lockFleetSockets(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${socketsLock})`);
}
