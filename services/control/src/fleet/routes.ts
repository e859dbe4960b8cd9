import { randomUUID } from "node:crypto";
import { and, asc, eq, getTableColumns, sql } from "drizzle-orm";
import { parseHostname } from "@helloway/routing/name";
import type { Db, Tx } from "../db/database.ts";
import { read } from "../db/read.ts";
import { pools } from "../db/schema/pools.ts";
import { routes } from "../db/schema/routes.ts";
import { teams } from "../db/schema/teams.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError, type Problem } from "../errors.ts";
import { backendProblems } from "./address-check.ts";
import { actorOf, writeAudit } from "./audit.ts";
import { isFleetReader, requireFleetReader, requireTeam } from "./authorise.ts";
import { barrierChanges } from "./barriers.ts";
import type { Context } from "./context.ts";
import { checkDescribed, contentOf, isUnchanged } from "./described.ts";
import { dryRunOf } from "./dry-run.ts";
import { encodeRoute, objectKinds, removalCauses } from "./encode-object.ts";
import { readFleetSockets } from "./fleet-sockets.ts";
import { lockNamesOf, lockOwnership } from "./locks.ts";
import { checkManagedBy } from "./managed-by.ts";
import { checkObjectName } from "./object-name.ts";
import { type ObjectView, type Put, toObjectView } from "./object-view.ts";
import { innermostDomains, withoutWildcard } from "./ownership.ts";
import { type Page, type PageInput, readCursor, toPage } from "./page.ts";
import { checkPrecondition, type Precondition } from "./precondition.ts";
import { checkQuota } from "./quotas.ts";
import { commitRevision, effectiveChanges, lockPools, type TableChange } from "./revisions.ts";
import { holdNames, type NameConflict, releaseNames, storedCriteriaKey } from "./route-names.ts";
import { type RouteStatus, routeStatuses } from "./route-status.ts";
import { type RouteWarning, routeWarnings } from "./route-warnings.ts";
import type { RouteSpec } from "./specs.ts";

export interface RouteView extends ObjectView<RouteSpec, RouteStatus> {
  team: string;
  /** Revision of its pool that carries its current version. */
  revision: number;
}

export interface PutRoute {
  team: string;
  name: string;
  put: Put<RouteSpec>;
  precondition: Precondition;
  /** Does everything, then takes it back: the answer says what would be. */
  dryRun: boolean;
  /** Takes the route over from another managedBy. */
  force: boolean;
}

type RouteRow = typeof routes.$inferSelect;
type PoolRow = Pick<typeof pools.$inferSelect, "id" | "name" | "spec">;
interface Team {
  id: string;
  name: string;
}

/**
 * Makes or changes a route; a write that changes nothing is no new version, revision or audit row. Editors and owners of the team.
 * Throws `invalid` with every hostname that the team may not use and every backend that the pool does not grant it, and
 * `hostname_taken` for hostnames another route holds with the same criteria, or another team with any. The warnings are what the
 * route asks for and will not get as things are, of a write that changes nothing too.
 */
export async function putRoute(
  ctx: Context,
  input: PutRoute,
): Promise<{ object: RouteView; created: boolean; changed: boolean; warnings: RouteWarning[] }> {
  return await dryRunOf(ctx.db, input.dryRun, async (tx) => {
    const team = await requireTeam({ ...ctx, db: tx }, input.team, "editor");
    checkObjectName(input.name);
    checkDescribed(input.put);
    for (;;) {
      const written = await writeRoute(tx, ctx, team, input);
      // null: somebody else made it meanwhile; look again.
      if (written === null) continue;
      const object = await toView(tx, written.row, team.name, ctx.now());
      const warnings = await routeWarnings(tx, written.row);
      return { object, created: written.created, changed: written.changed, warnings };
    }
  });
}

async function writeRoute(tx: Tx, ctx: Context, team: Team, { name, put, precondition, force }: PutRoute) {
  const [row] = await tx
    .select()
    .from(routes)
    .where(and(eq(routes.teamId, team.id), eq(routes.name, name)))
    .for("update");
  checkPrecondition(row, precondition);
  if (row !== undefined) {
    checkManagedBy(row, put, force);
    if (isUnchanged(row, put)) return { row, created: false, changed: false };
  } else {
    await checkQuota(tx, team.id, "routes");
  }
  await lockNamesOf(tx, team);
  await lockOwnership(tx, "shared");
  const pool = await readPool(tx, put.spec.pool);
  await checkSpec(tx, team, pool, put.spec);

  const draft = await upsertRoute(tx, ctx, { team, pool, name, put, row });
  if (draft === null) return null;
  await moveNames(tx, ctx, team, { before: row, after: draft });
  const after = await commitRoute(tx, ctx, team, { before: row, after: draft });
  await writeAudit(tx, ctx, {
    action: "route.put",
    object: pathOf(team.name, name),
    team: team.name,
    before: row === undefined ? null : contentOf(row),
    after: contentOf(after),
  });
  return { row: after, created: row === undefined, changed: true };
}

/** One route, and what it asks for and does not get as things are. Members of the team, administrators and viewers. */
export async function getRoute(
  ctx: Context,
  input: { team: string; name: string },
): Promise<{ object: RouteView; warnings: RouteWarning[] }> {
  return await read(ctx.db, async (db) => {
    const team = await requireTeam(ctx, input.team, "reader");
    const [row] = await db
      .select()
      .from(routes)
      .where(and(eq(routes.teamId, team.id), eq(routes.name, input.name)));
    if (row === undefined) throw notFound(input);
    return { object: await toView(db, row, team.name, ctx.now()), warnings: await routeWarnings(db, row) };
  });
}

/** Routes by team and name: one team's, or without a team everybody's (administrators and viewers). */
export async function listRoutes(ctx: Context, input: PageInput & { team?: string }): Promise<Page<RouteView>> {
  return await read(ctx.db, async (db) => {
    if (input.team === undefined) requireFleetReader(ctx);
    const team = input.team === undefined ? null : await requireTeam(ctx, input.team, "reader");
    const after = readCursor(input.cursor, 2);
    const rows = await db
      .select({ route: getTableColumns(routes), team: teams.name })
      .from(routes)
      .innerJoin(teams, eq(teams.id, routes.teamId))
      .where(
        and(
          team === null ? undefined : eq(routes.teamId, team.id),
          after === null ? undefined : sql`(${teams.name}, ${routes.name}) > (${after[0]}, ${after[1]})`,
        ),
      )
      .orderBy(asc(teams.name), asc(routes.name))
      .limit(input.limit + 1);
    const refs = rows.map((row) => row.route);
    const statuses = await routeStatuses(db, refs, ctx.now());
    return toPage(
      rows,
      input.limit,
      (row) => [row.team, row.route.name],
      (row) => viewOf(row.route, row.team, statuses),
    );
  });
}

/** Deletes a route: its hostnames are free again for the team. Established connections live on. Editors and owners. */
export async function deleteRoute(
  ctx: Context,
  input: { team: string; name: string; precondition: Precondition },
): Promise<void> {
  await inTransaction(ctx.db, async (tx) => {
    const team = await requireTeam({ ...ctx, db: tx }, input.team, "editor");
    const [row] = await tx
      .select()
      .from(routes)
      .where(and(eq(routes.teamId, team.id), eq(routes.name, input.name)))
      .for("update");
    if (row === undefined) throw notFound(input);
    checkPrecondition(row, input.precondition);
    // Another route of the team may be about to hold the same hostname.
    await lockNamesOf(tx, team);
    await lockOwnership(tx, "shared");
    await releaseNames(tx, { poolId: row.poolId, routeId: row.id }, null);
    await tx.delete(routes).where(eq(routes.id, row.id));
    const object = pathOf(team.name, row.name);
    await writeAudit(tx, ctx, { action: "route.delete", object, team: team.name, before: contentOf(row) });
    await lockPools(tx, [row.poolId]);
    const changes: TableChange[] = [
      { kind: objectKinds.route, id: row.id, remove: removalCauses.delete },
      ...(await barrierChanges(tx, row.poolId, { within: wildcardNames([row]) })),
    ];
    const author = actorOf(ctx.principal);
    await commitRevision(tx, { poolId: row.poolId, author, cause: `route.delete ${object}`, changes });
  });
}

async function readPool(tx: Tx, name: string): Promise<PoolRow> {
  const [pool] = await tx
    .select({ id: pools.id, name: pools.name, spec: pools.spec })
    .from(pools)
    .where(eq(pools.name, name))
    .for("key share");
  if (pool !== undefined) return pool;
  const detail = `There is no pool ${JSON.stringify(name)}.`;
  throw invalid([{ pointer: "/spec/pool", code: "unknown_pool", detail }]);
}

/** Every problem of the body at once. */
async function checkSpec(tx: Tx, team: Team, pool: PoolRow, spec: RouteSpec): Promise<void> {
  const problems = hostnameProblems(spec.hostnames);
  if (problems.length === 0) {
    const deciding = await innermostDomains(tx, spec.hostnames);
    for (const [i, hostname] of spec.hostnames.entries()) {
      if (deciding.get(hostname)?.teamId === team.id) continue;
      const detail = `${hostname} is in no domain that team "${team.name}" holds. Claim the name and have it verified first.`;
      problems.push({ pointer: `/spec/hostnames/${i}`, code: "domain_not_verified", detail });
    }
  }
  const sockets = await readFleetSockets(tx);
  const options = { team: team.name, pool: pool.spec, sockets, pointer: "/spec/backends" };
  problems.push(...backendProblems(spec.backends, options));
  if (problems.length > 0) throw invalid(problems);
}

function hostnameProblems(hostnames: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  for (const [i, hostname] of hostnames.entries()) {
    const pointer = `/spec/hostnames/${i}`;
    const parsed = parseHostname(hostname);
    if (!parsed.ok) problems.push({ pointer, code: parsed.code, detail: parsed.detail });
    else if (parsed.hostname !== hostname) {
      problems.push({ pointer, code: "not_canonical", detail: `Write it as ${parsed.hostname}.` });
    } else if (hostnames.indexOf(hostname) !== i) {
      problems.push({ pointer, code: "duplicate", detail: `${hostname} is listed twice.` });
    }
  }
  return problems;
}

/** The row as it will be, but for its revision; null: another request made it at the same moment. */
async function upsertRoute(
  tx: Tx,
  ctx: Context,
  {
    team,
    pool,
    name,
    put,
    row,
  }: { team: Team; pool: PoolRow; name: string; put: Put<RouteSpec>; row: RouteRow | undefined },
): Promise<RouteRow | null> {
  const now = ctx.now();
  const content = { ...contentOf(put), poolId: pool.id, updatedAt: now };
  const [written] =
    row === undefined
      ? await tx
          .insert(routes)
          .values({ id: randomUUID(), teamId: team.id, name, revision: 0, createdAt: now, ...content })
          .onConflictDoNothing({ target: [routes.teamId, routes.name] })
          .returning()
      : await tx
          .update(routes)
          .set({ ...content, version: row.version + 1 })
          .where(eq(routes.id, row.id))
          .returning();
  return written ?? null;
}

async function moveNames(
  tx: Tx,
  ctx: Context,
  team: Team,
  { before, after }: { before: RouteRow | undefined; after: RouteRow },
): Promise<void> {
  const { hostnames, match } = after.spec;
  const criteriaKey = storedCriteriaKey(match);
  if (before !== undefined) {
    const keep = before.poolId === after.poolId ? { hostnames, criteriaKey } : null;
    await releaseNames(tx, { poolId: before.poolId, routeId: after.id }, keep);
  }
  const holder = { poolId: after.poolId, teamId: team.id, routeId: after.id, criteriaKey };
  const conflicts = await holdNames(tx, holder, hostnames);
  if (conflicts.length === 0) return;
  const problems = conflicts.map((conflict) => ({
    pointer: `/spec/hostnames/${hostnames.indexOf(conflict.hostname)}`,
    code: "hostname_taken",
    detail: describeConflict(ctx, team, conflict, criteriaKey),
  }));
  throw new HellowayError("conflict", "hostname_taken", problems[0]?.detail ?? "", { problems });
}

/** Who may not see the other team's objects does not learn their names. */
function describeConflict(
  ctx: Context,
  team: Team,
  { hostname, team: holder, route }: NameConflict,
  criteriaKey: string,
): string {
  if (holder.id !== team.id && !isFleetReader(ctx)) return `${hostname} is held by another team in this pool.`;
  const who = route === null ? `team "${holder.name}"` : `route ${holder.name}/${route}`;
  const how = criteriaKey === "" ? "in this pool" : "in this pool with the same criteria";
  const or = holder.id === team.id ? ", or give the two different criteria (match)" : "";
  return `${hostname} is held by ${who} ${route === null ? "in this pool" : how}. Take it out there first${or}.`;
}

/** Brings the tables of the pools it is and was in up to date, and the row's revision with them. */
async function commitRoute(
  tx: Tx,
  ctx: Context,
  team: Team,
  { before, after }: { before: RouteRow | undefined; after: RouteRow },
): Promise<RouteRow> {
  const poolIds = [...new Set([after.poolId, ...(before === undefined ? [] : [before.poolId])])].toSorted();
  await lockPools(tx, poolIds);
  const within = wildcardNames(before === undefined ? [after] : [before, after]);
  const author = actorOf(ctx.principal);
  const cause = `route.put ${pathOf(team.name, after.name)}`;
  let { revision } = after;
  for (const poolId of poolIds) {
    const route: TableChange =
      poolId === after.poolId
        ? {
            kind: objectKinds.route,
            id: after.id,
            body: encodeRoute({ uid: after.id, team: team.name, name: after.name, spec: after.spec }),
          }
        : { kind: objectKinds.route, id: after.id, remove: removalCauses.consequence };
    const effective = await effectiveChanges(tx, poolId, [route]);
    const changes = [...effective, ...(await barrierChanges(tx, poolId, { within }))];
    if (changes.length === 0) continue;
    const committed = await commitRevision(tx, { poolId, author, cause, changes });
    if (poolId === after.poolId && effective.length > 0) revision = committed;
  }
  if (revision === after.revision) return after;
  await tx.update(routes).set({ revision }).where(eq(routes.id, after.id));
  return { ...after, revision };
}

/** Below these, other teams' domains may need barriers or no longer need them. */
function wildcardNames(versions: readonly RouteRow[]): string[] {
  const hostnames = versions.flatMap(({ spec }) => spec.hostnames);
  return [...new Set(hostnames.filter((hostname) => hostname.startsWith("*.")).map(withoutWildcard))];
}

async function toView(db: Db, row: RouteRow, team: string, now: Date): Promise<RouteView> {
  return viewOf(row, team, await routeStatuses(db, [row], now));
}

function viewOf(row: RouteRow, team: string, statuses: ReadonlyMap<string, RouteStatus>): RouteView {
  const status = statuses.get(row.id) ?? { state: "pending" as const, revision: row.revision, edges: [] };
  return { ...toObjectView(row, row.spec, status), team, revision: row.revision };
}

const pathOf = (team: string, name: string): string => `teams/${team}/routes/${name}`;

function invalid(problems: readonly Problem[]): HellowayError {
  const [only] = problems;
  const message = problems.length === 1 && only !== undefined ? only.detail : "The route cannot be stored as given.";
  return new HellowayError("invalid", problems.length === 1 && only !== undefined ? only.code : "invalid", message, {
    problems,
  });
}

function notFound({ team, name }: { team: string; name: string }): HellowayError {
  return new HellowayError("not_found", "route_not_found", `Team "${team}" has no route "${name}".`);
}
