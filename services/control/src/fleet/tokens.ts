import { and, asc, eq, gt, isNull, ne, or, sql } from "drizzle-orm";
import type { Db, Tx } from "../db/database.ts";
import { read } from "../db/read.ts";
import { fleetRoles, type Role, teams, tokens } from "../db/schema/teams.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { actorOf, writeAudit } from "./audit.ts";
import { isFleetReader, requireAdmin, requireTeam } from "./authorise.ts";
import type { Context, Principal } from "./context.ts";
import { type Page, type PageInput, readCursor, toPage } from "./page.ts";
import { hashTokenText, isTokenText, makeTokenText } from "./token-text.ts";

/** A token as lists show it: never its secret. */
export interface TokenView {
  id: string;
  name: string;
  /** null: a role over the fleet. */
  team: string | null;
  role: Role;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date | null;
  /** To the minute. */
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

const nameLengthMax = 128;
/** Written no more often than this: a busy token must not make a write of every request. */
const lastUsedResolutionMs = 60_000;

/**
 * Makes a token. Roles over the fleet: administrators; roles of a team: administrators and its owners. It never outlives its maker's
 * token: without an expiry it gets that one's.
 */
export async function createToken(
  ctx: Context,
  input: { name: string; team: string | null; role: Role; expiresAt: Date | null },
): Promise<{ token: string; view: TokenView }> {
  const { name, role } = input;
  return await inTransaction(ctx.db, async (tx) => {
    const team = await authoriseRole({ ...ctx, db: tx }, input);
    if (name.length === 0 || name.length > nameLengthMax) {
      throw invalid("/name", "bad_name", `A token's name has 1 to ${nameLengthMax} characters.`);
    }
    const now = ctx.now();
    if (input.expiresAt !== null && input.expiresAt <= now)
      throw invalid("/expiresAt", "in_the_past", "That is over already.");
    const makerExpiresAt = await expiryOf(tx, ctx.principal);
    if (makerExpiresAt !== null && input.expiresAt !== null && input.expiresAt > makerExpiresAt) {
      const detail = `A token ends with its maker's at the latest: ${makerExpiresAt.toISOString()}.`;
      throw invalid("/expiresAt", "after_maker", detail);
    }
    const token = makeTokenText();
    const expiresAt = input.expiresAt ?? makerExpiresAt;
    const createdBy = actorOf(ctx.principal);
    const [row] = await tx
      .insert(tokens)
      .values({
        name,
        hash: hashTokenText(token),
        teamId: team?.id ?? null,
        role,
        createdBy,
        createdAt: now,
        expiresAt,
      })
      .returning();
    if (row === undefined) throw new Error("an inserted token is not there");
    await writeAudit(tx, ctx, {
      action: "token.create",
      object: `tokens/${row.id}`,
      team: team?.name ?? null,
      after: { name, role, team: team?.name ?? null, expiresAt: expiresAt?.toISOString() ?? null },
    });
    return { token, view: toView({ token: row, team: team?.name ?? null }) };
  });
}

/** Tokens by name: all of them for administrators and viewers, the team's for its owners. */
export async function listTokens(ctx: Context, input: PageInput & { team?: string }): Promise<Page<TokenView>> {
  return await read(ctx.db, async (db) => {
    const after = readCursor(input.cursor, 2);
    const name = input.team ?? (isFleetReader(ctx) ? undefined : (ctx.principal.team ?? ""));
    const team = name === undefined ? null : await requireTeam(ctx, name, isFleetReader(ctx) ? "reader" : "owner");
    const rows = await db
      .select({ token: tokens, team: teams.name })
      .from(tokens)
      .leftJoin(teams, eq(teams.id, tokens.teamId))
      .where(
        and(
          team === null ? undefined : eq(tokens.teamId, team.id),
          after === null
            ? undefined
            : sql`(${tokens.name}, ${tokens.id}::text) > (${after[0]}::text, ${after[1]}::text)`,
        ),
      )
      .orderBy(asc(tokens.name), sql`${tokens.id}::text`)
      .limit(input.limit + 1);
    return toPage(rows, input.limit, (row) => [row.token.name, row.token.id], toView);
  });
}

/**
 * Revokes a token, at once and for ever. Administrators; owners their team's; everybody their own. Throws `token_not_found` for another team's, and
 * `last_admin_token` for the only one that would let anybody administer.
 */
export async function revokeToken(ctx: Context, { id }: { id: string }): Promise<void> {
  await inTransaction(ctx.db, async (tx) => {
    const [row] = await tx
      .select({ token: tokens, team: teams.name })
      .from(tokens)
      .leftJoin(teams, eq(teams.id, tokens.teamId))
      .where(sql`${tokens.id}::text = ${id}`)
      .for("no key update", { of: tokens });
    const { role, teamId } = ctx.principal;
    const sees =
      row !== undefined && (isFleetReader(ctx) || (row.token.teamId !== null && row.token.teamId === teamId));
    if (!sees) throw new HellowayError("not_found", "token_not_found", "There is no such token that you may see.");
    if (role !== "admin" && role !== "owner" && ctx.principal.id !== id) {
      throw new HellowayError(
        "forbidden",
        "role_too_low",
        `Revoking needs an administrator or the team's owner; yours is ${role}.`,
      );
    }
    if (row.token.revokedAt !== null) return;
    if (row.token.role === "admin") await refuseLastAdmin(tx, row.token.id, ctx.now());
    await tx.update(tokens).set({ revokedAt: ctx.now() }).where(eq(tokens.id, row.token.id));
    const before = { name: row.token.name, role: row.token.role };
    await writeAudit(tx, ctx, { action: "token.revoke", object: `tokens/${row.token.id}`, team: row.team, before });
  });
}

/** Whose token it is, when it is one and still good; read anew each time, so that revoking works at once. */
export async function authenticate(ctx: { db: Db; now(): Date }, token: string): Promise<Principal | null> {
  if (!isTokenText(token)) return null;
  return await read(ctx.db, async (db) => {
    const [row] = await db
      .select({ token: tokens, team: teams.name })
      .from(tokens)
      .leftJoin(teams, eq(teams.id, tokens.teamId))
      .where(and(eq(tokens.hash, hashTokenText(token)), isNull(tokens.revokedAt)));
    const now = ctx.now();
    if (row === undefined || (row.token.expiresAt !== null && row.token.expiresAt <= now)) return null;
    const { id, name, role, teamId, lastUsedAt } = row.token;
    if (lastUsedAt === null || now.getTime() - lastUsedAt.getTime() >= lastUsedResolutionMs) {
      await db.update(tokens).set({ lastUsedAt: now }).where(eq(tokens.id, id));
    }
    return { kind: "token", id, name, role, team: row.team, teamId };
  });
}

async function authoriseRole(ctx: Context, { team, role }: { team: string | null; role: Role }) {
  const isFleetRole = fleetRoles.some((one) => one === role);
  if (team !== null) {
    const owned = await requireTeam(ctx, team, "owner", { keep: true });
    if (isFleetRole) throw invalid("/team", "not_allowed", `The role ${role} is over the fleet and has no team.`);
    return owned;
  }
  if (isFleetRole) {
    requireAdmin(ctx);
    return null;
  }
  throw invalid("/team", "required", `The role ${role} is a role in a team: say which.`);
}

/** The system's has none. */
async function expiryOf(tx: Tx, principal: Principal): Promise<Date | null> {
  if (principal.kind === "system") return null;
  const [row] = await tx.select({ expiresAt: tokens.expiresAt }).from(tokens).where(eq(tokens.id, principal.id));
  return row?.expiresAt ?? null;
}

async function refuseLastAdmin(tx: Tx, id: string, now: Date): Promise<void> {
  const others = await tx
    .select({ id: tokens.id })
    .from(tokens)
    .where(
      and(
        eq(tokens.role, "admin"),
        ne(tokens.id, id),
        isNull(tokens.revokedAt),
        or(isNull(tokens.expiresAt), gt(tokens.expiresAt, now)),
      ),
    )
    .orderBy(tokens.id)
    .for("no key update");
  if (others.length > 0) return;
  throw new HellowayError(
    "conflict",
    "last_admin_token",
    "This is the last token of an administrator: without it nobody could make another. Make a new one first.",
  );
}

function toView({ token, team }: { token: typeof tokens.$inferSelect; team: string | null }): TokenView {
  const { id, name, role, createdBy, createdAt, expiresAt, lastUsedAt, revokedAt } = token;
  return { id, name, team, role, createdBy, createdAt, expiresAt, lastUsedAt, revokedAt };
}

function invalid(pointer: string, code: string, detail: string): HellowayError {
  return new HellowayError("invalid", code, detail, { problems: [{ pointer, code, detail }] });
}
