import { count, eq } from "drizzle-orm";
import type { Tx } from "../db/database.ts";
import { routes } from "../db/schema/routes.ts";
import { domains, teams } from "../db/schema/teams.ts";
import { HellowayError } from "../errors.ts";

/** Throws `quota_reached` when the team may not have one more. Makers within one team wait for each other, so none slips through. */
export async function checkQuota(tx: Tx, teamId: string, what: "routes" | "domains"): Promise<void> {
  const [team] = await tx.select({ name: teams.name, spec: teams.spec }).from(teams).where(eq(teams.id, teamId));
  const limit = team?.spec.quotas[what] ?? null;
  if (limit === null) return;
  await tx.select({ id: teams.id }).from(teams).where(eq(teams.id, teamId)).for("no key update");
  const table = what === "routes" ? routes : domains;
  const [has] = await tx.select({ n: count() }).from(table).where(eq(table.teamId, teamId));
  if ((has?.n ?? 0) < limit) return;
  throw new HellowayError(
    "conflict",
    "quota_reached",
    `Team "${team?.name}" may have ${limit} ${what} and has them. Delete one, or ask an administrator for more.`,
  );
}
