import { and, asc, count, eq, gt } from "drizzle-orm";
import { read } from "../db/read.ts";
import { routes } from "../db/schema/routes.ts";
import { domains, teams } from "../db/schema/teams.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { writeAudit } from "./audit.ts";
import { isFleetReader, requireAdminOf, requireTeam } from "./authorise.ts";
import type { Context } from "./context.ts";
import { checkDescribed, contentOf, isUnchanged } from "./described.ts";
import { checkManagedBy } from "./managed-by.ts";
import { checkObjectName } from "./object-name.ts";
import { type ObjectView, type Put, toObjectView } from "./object-view.ts";
import { type Page, type PageInput, readCursor, toPage } from "./page.ts";
import { checkPrecondition, type Precondition } from "./precondition.ts";
import type { TeamSpec } from "./specs.ts";

export type TeamView = ObjectView<TeamSpec, Record<string, never>>;

const toView = (row: typeof teams.$inferSelect): TeamView => toObjectView(row, row.spec, {});

/** Makes or changes a team. Administrators. */
export async function putTeam(
  ctx: Context,
  input: { name: string; put: Put<TeamSpec>; precondition: Precondition },
): Promise<{ object: TeamView; created: boolean }> {
  const { name, put, precondition } = input;
  return await inTransaction(ctx.db, async (tx) => {
    requireAdminOf(ctx, name);
    checkObjectName(name);
    checkDescribed(put);
    checkSpec(put.spec);
    const now = ctx.now();
    for (;;) {
      const [row] = await tx.select().from(teams).where(eq(teams.name, name)).for("no key update");
      checkPrecondition(row, precondition);
      if (row === undefined) {
        const [made] = await tx
          .insert(teams)
          .values({ name, ...contentOf(put), createdAt: now, updatedAt: now })
          .onConflictDoNothing()
          .returning();
        // Somebody else made it meanwhile: look again.
        if (made === undefined) continue;
        await writeAudit(tx, ctx, { action: "team.put", object: `teams/${name}`, team: name, after: contentOf(made) });
        return { object: toView(made), created: true };
      }
      checkManagedBy(row, put);
      if (isUnchanged(row, put)) return { object: toView(row), created: false };
      const [changed] = await tx
        .update(teams)
        .set({ ...contentOf(put), version: row.version + 1, updatedAt: now })
        .where(eq(teams.id, row.id))
        .returning();
      if (changed === undefined) throw new Error("a locked team is gone");
      const change = { before: contentOf(row), after: contentOf(changed) };
      await writeAudit(tx, ctx, { action: "team.put", object: `teams/${name}`, team: name, ...change });
      return { object: toView(changed), created: false };
    }
  });
}

/** One team: administrators, viewers and its members; to others there is none. */
export async function getTeam(ctx: Context, { name }: { name: string }): Promise<TeamView> {
  return await read(ctx.db, async (db) => {
    const { id } = await requireTeam(ctx, name, "reader");
    const [row] = await db.select().from(teams).where(eq(teams.id, id));
    if (row === undefined)
      throw new HellowayError("not_found", "team_not_found", `There is no team "${name}" that you may see.`);
    return toView(row);
  });
}

/** Teams by name; members of a team get that one. */
export async function listTeams(ctx: Context, { limit, cursor }: PageInput): Promise<Page<TeamView>> {
  return await read(ctx.db, async (db) => {
    const after = readCursor(cursor, 1);
    const own = isFleetReader(ctx) ? undefined : eq(teams.name, ctx.principal.team ?? "");
    const rows = await db
      .select()
      .from(teams)
      .where(and(own, after === null ? undefined : gt(teams.name, after[0] as string)))
      .orderBy(asc(teams.name))
      .limit(limit + 1);
    return toPage(rows, limit, (row) => [row.name], toView);
  });
}

/** Deletes a team that has neither routes nor domains, and its tokens with it. Administrators. */
export async function deleteTeam(ctx: Context, input: { name: string; precondition: Precondition }): Promise<void> {
  const { name, precondition } = input;
  await inTransaction(ctx.db, async (tx) => {
    requireAdminOf(ctx, name);
    const [row] = await tx.select().from(teams).where(eq(teams.name, name)).for("update");
    if (row === undefined) throw new HellowayError("not_found", "team_not_found", `There is no team "${name}".`);
    checkPrecondition(row, precondition);
    const [ofRoutes] = await tx.select({ n: count() }).from(routes).where(eq(routes.teamId, row.id));
    const [ofDomains] = await tx.select({ n: count() }).from(domains).where(eq(domains.teamId, row.id));
    if (ofRoutes?.n !== 0 || ofDomains?.n !== 0) {
      throw new HellowayError(
        "conflict",
        "team_in_use",
        `Team "${name}" still has ${ofRoutes?.n} routes and ${ofDomains?.n} domains. Delete them first.`,
      );
    }
    await tx.delete(teams).where(eq(teams.id, row.id));
    await writeAudit(tx, ctx, { action: "team.delete", object: `teams/${name}`, team: name, before: contentOf(row) });
  });
}

/** Nothing acts on members before people sign in. */
function checkSpec({ members, quotas }: TeamSpec): void {
  const problems = [];
  if (members.length > 0) {
    problems.push({
      pointer: "/spec/members",
      code: "unsupported",
      detail: "Sign-in by groups is not there yet. Give tokens to members.",
    });
  }
  for (const [key, quota] of Object.entries(quotas)) {
    if (quota === null || (Number.isSafeInteger(quota) && quota >= 0)) continue;
    problems.push({
      pointer: `/spec/quotas/${key}`,
      code: "out_of_range",
      detail: "A number from 0, or null for no limit.",
    });
  }
  if (problems.length > 0)
    throw new HellowayError("invalid", "invalid", "The team cannot be stored as given.", { problems });
}
