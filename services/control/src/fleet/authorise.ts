import { eq } from "drizzle-orm";
import { teams } from "../db/schema/teams.ts";
import { HellowayError } from "../errors.ts";
import type { Context } from "./context.ts";

export type TeamRole = "reader" | "editor" | "owner";

const rank: Record<TeamRole, number> = { reader: 1, editor: 2, owner: 3 };

/** Throws `forbidden` unless the caller is an administrator. */
export function requireAdmin(ctx: Pick<Context, "principal">): void {
  if (ctx.principal.role === "admin") return;
  throw new HellowayError("forbidden", "admin_required", "Only an administrator may do this.");
}

/** Throws unless the caller is an administrator: for a team's member another team is `team_not_found`, as everywhere. */
export function requireAdminOf(ctx: Pick<Context, "principal">, team: string): void {
  if (!isFleetReader(ctx) && ctx.principal.team !== team) throw teamNotFound(team);
  requireAdmin(ctx);
}

/** Whether the caller may read everything: administrators and the fleet's viewers. */
export function isFleetReader(ctx: Pick<Context, "principal">): boolean {
  return ctx.principal.role === "admin" || ctx.principal.role === "viewer";
}

/** Throws `forbidden` unless the caller may read everything. */
export function requireFleetReader(ctx: Pick<Context, "principal">): void {
  if (isFleetReader(ctx)) return;
  throw new HellowayError(
    "forbidden",
    "fleet_reader_required",
    "Only an administrator or a viewer of the fleet may do this.",
  );
}

/**
 * The team, when the caller has at least this role in it. Administrators have every role, viewers read. A team that is another's or
 * none at all is `team_not_found` alike, so that nobody learns which teams there are.
 * @param options.keep in a transaction: nobody deletes the team before its end. For writes that make something of the team.
 */
export async function requireTeam(
  ctx: Pick<Context, "db" | "principal">,
  team: string,
  minimum: TeamRole,
  { keep = false }: { keep?: boolean } = {},
): Promise<{ id: string; name: string }> {
  const { role, teamId } = ctx.principal;
  const found = ctx.db.select({ id: teams.id, name: teams.name }).from(teams).where(eq(teams.name, team));
  const [row] = await (keep ? found.for("key share") : found);
  if (row === undefined || (!isFleetReader(ctx) && row.id !== teamId)) throw teamNotFound(team);
  if (role === "admin") return row;
  const has = role === "viewer" ? rank.reader : rank[role];
  if (has >= rank[minimum]) return row;
  throw new HellowayError(
    "forbidden",
    "role_too_low",
    `This needs the role ${minimum} in team "${team}"; yours is ${role}.`,
  );
}

/** The same for a team that is another's and for one that is not. */
export function teamNotFound(team: string): HellowayError {
  return new HellowayError("not_found", "team_not_found", `There is no team "${team}" that you may see.`);
}
