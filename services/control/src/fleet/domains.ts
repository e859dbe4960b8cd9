import { randomBytes } from "node:crypto";
import { and, asc, eq, gt, ne, or } from "drizzle-orm";
import { nameCovers, parseHostname } from "@helloway/routing/name";
import { parse as parseSuffix } from "tldts";
import type { Tx } from "../db/database.ts";
import { read } from "../db/read.ts";
import { names, routeNames, routes } from "../db/schema/routes.ts";
import { domains, type DomainScope, type DomainState, teams } from "../db/schema/teams.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { actorOf, writeAudit } from "./audit.ts";
import { requireAdmin, requireTeam } from "./authorise.ts";
import { syncBarriers } from "./barriers.ts";
import type { Context } from "./context.ts";
import { lockOwnership } from "./locks.ts";
import { type DomainRow, innermostDomains, isAtOrBelow } from "./ownership.ts";
import { type Page, type PageInput, readCursor, toPage } from "./page.ts";
import { checkPrecondition, type Precondition } from "./precondition.ts";
import { checkQuota } from "./quotas.ts";

/** A team's claim to a name. */
export interface DomainView {
  /** Canonical. */
  name: string;
  team: string;
  spec: { scope: DomainScope };
  status: {
    state: DomainState;
    /** The TXT record that proves the claim. */
    challenge: { recordName: string; recordValue: string };
    /** The administrator who vouched for it. */
    approvedBy: string | null;
    verifiedAt: Date | null;
  };
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** Blocking routes that an error names; more are counted. */
const namedMax = 5;

/**
 * Claims a name for a team: pending until it is approved. Any number of teams may claim the same name. Editors and owners.
 * Throws `public_suffix` for a name under which anybody registers.
 */
export async function createDomain(
  ctx: Context,
  input: { team: string; name: string; scope: DomainScope },
): Promise<DomainView> {
  return await inTransaction(ctx.db, async (tx) => {
    const team = await requireTeam({ ...ctx, db: tx }, input.team, "editor", { keep: true });
    const name = checkDomainName(input.name);
    await checkQuota(tx, team.id, "domains");
    const now = ctx.now();
    const challenge = randomBytes(32).toString("base64url");
    const [row] = await tx
      .insert(domains)
      .values({
        teamId: team.id,
        name,
        scope: input.scope,
        state: "pending",
        challenge,
        createdAt: now,
        updatedAt: now,
      })
      .onConflictDoNothing()
      .returning();
    if (row === undefined) {
      throw new HellowayError(
        "conflict",
        "domain_exists",
        `Team "${team.name}" has a claim to ${name} already. Delete it first to claim it with another scope.`,
      );
    }
    const after = { scope: row.scope, state: row.state };
    await writeAudit(tx, ctx, { action: "domain.create", object: pathOf(team.name, name), team: team.name, after });
    return toView({ domain: row, team: team.name });
  });
}

/** One claim. Members of the team, administrators and viewers. */
export async function getDomain(ctx: Context, input: { team: string; name: string }): Promise<DomainView> {
  return await read(ctx.db, async (db) => {
    const team = await requireTeam(ctx, input.team, "reader");
    const [row] = await db
      .select()
      .from(domains)
      .where(and(eq(domains.teamId, team.id), eq(domains.name, canonical(input.name))));
    if (row === undefined) throw notFound(input);
    return toView({ domain: row, team: team.name });
  });
}

/** The team's claims by name. */
export async function listDomains(ctx: Context, input: PageInput & { team: string }): Promise<Page<DomainView>> {
  return await read(ctx.db, async (db) => {
    const team = await requireTeam(ctx, input.team, "reader");
    const after = readCursor(input.cursor, 1);
    const rows = await db
      .select()
      .from(domains)
      .where(and(eq(domains.teamId, team.id), after === null ? undefined : gt(domains.name, after[0] as string)))
      .orderBy(asc(domains.name))
      .limit(input.limit + 1);
    return toPage(
      rows,
      input.limit,
      (row) => [row.name],
      (domain) => toView({ domain, team: team.name }),
    );
  });
}

/**
 * Verifies a claim without a proof. Administrators. Throws `domain_taken` when another team holds the name, and
 * `names_in_use` when other teams' routes serve hostnames that would become this team's: those must go first.
 */
export async function approveDomain(
  ctx: Context,
  input: { team: string; name: string; precondition?: Precondition },
): Promise<DomainView> {
  return await inTransaction(ctx.db, async (tx) => {
    // First the team: another's is not found, whatever the role.
    const team = await requireTeam({ ...ctx, db: tx }, input.team, "reader");
    requireAdmin(ctx);
    await lockOwnership(tx, "exclusive");
    const domain = await lockDomain(tx, team.id, input);
    checkPrecondition(domain, input.precondition ?? {});
    if (domain.state === "verified") return toView({ domain, team: team.name });
    await refuseTaken(tx, domain);
    await refuseOthersRoutes(tx, domain);
    const now = ctx.now();
    const [approved] = await tx
      .update(domains)
      .set({
        state: "verified",
        approvedBy: ctx.principal.name,
        verifiedAt: now,
        version: domain.version + 1,
        updatedAt: now,
      })
      .where(eq(domains.id, domain.id))
      .returning();
    if (approved === undefined) throw new Error("a locked domain is gone");
    const object = pathOf(team.name, domain.name);
    await writeAudit(tx, ctx, {
      action: "domain.approve",
      object,
      team: team.name,
      before: { scope: domain.scope, state: domain.state },
      after: { scope: approved.scope, state: approved.state, approvedBy: actorOf(ctx.principal) },
    });
    await syncBarriers(tx, ctx, { domain: approved, cause: `domain.approve ${object}` });
    return toView({ domain: approved, team: team.name });
  });
}

/** Gives a claim up. Editors and owners. Throws `domain_in_use` while a route of the team serves a hostname through it. */
export async function deleteDomain(
  ctx: Context,
  input: { team: string; name: string; precondition?: Precondition },
): Promise<void> {
  await inTransaction(ctx.db, async (tx) => {
    const team = await requireTeam({ ...ctx, db: tx }, input.team, "editor");
    await lockOwnership(tx, "exclusive");
    const domain = await lockDomain(tx, team.id, input);
    checkPrecondition(domain, input.precondition ?? {});
    if (domain.state === "verified") await refuseOwnRoutes(tx, domain);
    await tx.delete(domains).where(eq(domains.id, domain.id));
    const object = pathOf(team.name, domain.name);
    const before = { scope: domain.scope, state: domain.state };
    await writeAudit(tx, ctx, { action: "domain.delete", object, team: team.name, before });
    if (domain.state === "verified") await syncBarriers(tx, ctx, { domain, cause: `domain.delete ${object}` });
  });
}

async function lockDomain(tx: Tx, teamId: string, input: { team: string; name: string }): Promise<DomainRow> {
  const [row] = await tx
    .select()
    .from(domains)
    .where(and(eq(domains.teamId, teamId), eq(domains.name, canonical(input.name))))
    .for("update");
  if (row === undefined) throw notFound(input);
  return row;
}

async function refuseTaken(tx: Tx, domain: DomainRow): Promise<void> {
  const [holder] = await tx
    .select({ team: teams.name })
    .from(domains)
    .innerJoin(teams, eq(teams.id, domains.teamId))
    .where(and(eq(domains.name, domain.name), eq(domains.state, "verified"), ne(domains.id, domain.id)));
  if (holder === undefined) return;
  throw new HellowayError(
    "conflict",
    "domain_taken",
    `Team "${holder.team}" holds ${domain.name}. It must give the domain up first.`,
  );
}

/** Other teams' hostnames that the domain would cover and whose deciding domain today lies further out. */
async function refuseOthersRoutes(tx: Tx, domain: DomainRow): Promise<void> {
  const covered = (await namesCovered(tx, domain)).filter((held) => held.teamId !== domain.teamId);
  const deciding = await innermostDomains(tx, hostnamesOf(covered));
  const lost = covered.filter(({ hostname }) => (deciding.get(hostname)?.name.length ?? 0) < domain.name.length);
  if (lost.length === 0) return;
  throw new HellowayError(
    "conflict",
    "names_in_use",
    `Other teams' routes serve hostnames of ${domain.name}: ${await describe(tx, lost)}. They must give them up first.`,
  );
}

/** The team's hostnames that would be nobody's, or another's, without the domain. */
async function refuseOwnRoutes(tx: Tx, domain: DomainRow): Promise<void> {
  const covered = (await namesCovered(tx, domain)).filter((held) => held.teamId === domain.teamId);
  const deciding = await innermostDomains(tx, hostnamesOf(covered), { except: domain.id });
  const lost = covered.filter(({ hostname }) => deciding.get(hostname)?.teamId !== domain.teamId);
  if (lost.length === 0) return;
  throw new HellowayError(
    "conflict",
    "domain_in_use",
    `Routes need ${domain.name}: ${await describe(tx, lost)}. Delete them, or take the hostnames out, first.`,
  );
}

type Held = typeof names.$inferSelect;

const hostnamesOf = (held: readonly Held[]): string[] => [...new Set(held.map(({ hostname }) => hostname))];

/** Hostnames of any pool and team that the domain covers. */
async function namesCovered(tx: Tx, domain: DomainRow): Promise<Held[]> {
  const held = await tx
    .select()
    .from(names)
    .where(isAtOrBelow(names.hostname, domain.name))
    .orderBy(asc(names.hostname));
  return held.filter(({ hostname }) => nameCovers(domain, hostname));
}

/** "payments/api (a.example.com) and 3 more", for people. */
async function describe(tx: Tx, held: readonly Held[]): Promise<string> {
  const [first] = held;
  if (first === undefined) return "none";
  const rows = await tx
    .select({ team: teams.name, route: routes.name, hostname: routeNames.hostname })
    .from(routeNames)
    .innerJoin(routes, eq(routes.id, routeNames.routeId))
    .innerJoin(teams, eq(teams.id, routes.teamId))
    .where(
      or(
        ...held
          .slice(0, namedMax)
          .map((one) => and(eq(routeNames.poolId, one.poolId), eq(routeNames.hostname, one.hostname))),
      ),
    )
    .orderBy(asc(routeNames.hostname))
    .limit(namedMax);
  const named = rows.map(({ team, route, hostname }) => `${team}/${route} (${hostname})`).join(", ");
  return held.length > namedMax ? `${named} and ${held.length - namedMax} more` : named;
}

/** The canonical form of a name that a team may claim. Throws `invalid`. */
function checkDomainName(text: string): string {
  const parsed = parseHostname(text);
  if (!parsed.ok) throw invalidName(parsed.code, parsed.detail);
  if (parsed.wildcard)
    throw invalidName("bad_wildcard", "Claim the name with the scope tree: it covers everything below it.");
  const { isIcann, publicSuffix } = parseSuffix(parsed.name, { allowPrivateDomains: false, validateHostname: false });
  // The list's default rule makes every last label a public suffix; only what is listed counts.
  if (isIcann === true && publicSuffix === parsed.name) {
    throw invalidName("public_suffix", `Anybody registers names under ${parsed.name}: nobody may claim all of it.`);
  }
  return parsed.name;
}

function invalidName(code: string, detail: string): HellowayError {
  return new HellowayError("invalid", code, detail, { problems: [{ pointer: "/name", code, detail }] });
}

/** For looking up: what cannot be canonical finds nothing. */
function canonical(text: string): string {
  const parsed = parseHostname(text);
  return parsed.ok ? parsed.hostname : text;
}

const pathOf = (team: string, name: string): string => `teams/${team}/domains/${name}`;

function notFound({ team, name }: { team: string; name: string }): HellowayError {
  return new HellowayError("not_found", "domain_not_found", `Team "${team}" has no claim to ${JSON.stringify(name)}.`);
}

function toView({ domain, team }: { domain: DomainRow; team: string }): DomainView {
  const { name, scope, state, challenge, approvedBy, verifiedAt, version, createdAt, updatedAt } = domain;
  const label = scope === "tree" ? "_helloway-tree-challenge" : "_helloway-host-challenge";
  return {
    name,
    team,
    spec: { scope },
    status: { state, challenge: { recordName: `${label}.${name}`, recordValue: challenge }, approvedBy, verifiedAt },
    version,
    createdAt,
    updatedAt,
  };
}
