import { eq, sql } from "drizzle-orm";
import type { Tx } from "../db/database.ts";
import { teams } from "../db/schema/teams.ts";
import { teamNotFound } from "./authorise.ts";

// Locks held until the end of the transaction, taken before any pool is locked. The numbers of the advisory ones are ours alone in this
// database.
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

/**
 * Two routes that exchange hostnames each hold what the other waits for, and one that gives up a hostname may not see that another
 * begins to hold it. Only routes of one team can, so they are written one after the other; teams do not wait for each other. Take it before the ownership. Throws `team_not_found` when the team was deleted meanwhile.
 */
export async function lockNamesOf(tx: Tx, team: { id: string; name: string }): Promise<void> {
  const found = await tx.select({ id: teams.id }).from(teams).where(eq(teams.id, team.id)).for("no key update");
  if (found.length === 0) throw teamNotFound(team.name);
}

/** So that a pool that is being made and a socket that is being reported do not miss each other. */
export async function lockFleetSockets(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${socketsLock})`);
}
