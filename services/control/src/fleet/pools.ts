import { asc, count, eq, gt } from "drizzle-orm";
import { emptyDigest } from "@helloway/routing/object-digest";
import type { Db, Tx } from "../db/database.ts";
import { read } from "../db/read.ts";
import { edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import { routes } from "../db/schema/routes.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { backendProblems, defaultsTeam, grantProblems } from "./address-check.ts";
import { actorOf, writeAudit } from "./audit.ts";
import { isFleetReader, requireAdmin } from "./authorise.ts";
import type { Context } from "./context.ts";
import { checkDescribed, contentOf, isUnchanged } from "./described.ts";
import { encodeSettings, type FleetSockets, objectKinds, settingsId } from "./encode-object.ts";
import { readFleetSockets } from "./fleet-sockets.ts";
import { lockFleetSockets } from "./locks.ts";
import { checkManagedBy } from "./managed-by.ts";
import { checkObjectName } from "./object-name.ts";
import { type ObjectView, type Put, toObjectView } from "./object-view.ts";
import { type Page, type PageInput, readCursor, toPage } from "./page.ts";
import { checkPrecondition, type Precondition } from "./precondition.ts";
import { commitRevision, effectiveChanges } from "./revisions.ts";
import { poolWarnings, type RouteWarning } from "./route-warnings.ts";
import type { PoolSpec } from "./specs.ts";

export interface PoolView extends ObjectView<PoolSpec, Record<string, never>> {
  /** Number of the last change of its table. */
  revision: number;
  /** What its defaults ask for and do not get as things are. */
  warnings: RouteWarning[];
}

/** What everybody may know of a pool. */
export interface PoolNameView {
  name: string;
}

type PoolRow = typeof pools.$inferSelect;

async function toView(db: Db, row: PoolRow): Promise<PoolView> {
  return { ...toObjectView(row, row.spec, {}), revision: row.revision, warnings: await poolWarnings(db, row) };
}

/** Makes or changes a pool. Administrators. */
export async function putPool(
  ctx: Context,
  input: { name: string; put: Put<PoolSpec>; precondition: Precondition },
): Promise<{ object: PoolView; created: boolean }> {
  const { name, put, precondition } = input;
  return await inTransaction(ctx.db, async (tx) => {
    requireAdmin(ctx);
    checkObjectName(name);
    checkDescribed(put);
    await lockFleetSockets(tx);
    const sockets = await readFleetSockets(tx);
    const now = ctx.now();
    for (;;) {
      const [row] = await tx.select().from(pools).where(eq(pools.name, name)).for("no key update");
      checkPrecondition(row, precondition);
      if (row !== undefined) {
        checkManagedBy(row, put);
        if (isUnchanged(row, put)) return { object: await toView(tx, row), created: false };
      }
      checkSpec(put.spec, sockets);
      const [written] =
        row === undefined
          ? await tx
              .insert(pools)
              .values({ name, ...contentOf(put), digest: emptyDigest(), createdAt: now, updatedAt: now })
              .onConflictDoNothing()
              .returning()
          : await tx
              .update(pools)
              .set({ ...contentOf(put), version: row.version + 1, updatedAt: now })
              .where(eq(pools.id, row.id))
              .returning();
      // Somebody else made it meanwhile: look again.
      if (written === undefined) continue;
      await writeAudit(tx, ctx, {
        action: "pool.put",
        object: `pools/${name}`,
        before: row === undefined ? null : contentOf(row),
        after: contentOf(written),
      });
      const revision = await commitSettings(tx, ctx, written, sockets);
      return { object: await toView(tx, { ...written, revision }), created: row === undefined };
    }
  });
}

/** One pool; without a role over the fleet its name. */
export async function getPool(ctx: Context, { name }: { name: string }): Promise<PoolView | PoolNameView> {
  return await read(ctx.db, async (db) => {
    const [row] = await db.select().from(pools).where(eq(pools.name, name));
    if (row === undefined) throw notFound(name);
    return isFleetReader(ctx) ? await toView(db, row) : { name: row.name };
  });
}

/** Pools by name; without a role over the fleet their names. */
export async function listPools(ctx: Context, { limit, cursor }: PageInput): Promise<Page<PoolView | PoolNameView>> {
  return await read(ctx.db, async (db) => {
    const after = readCursor(cursor, 1);
    const rows = await db
      .select()
      .from(pools)
      .where(after === null ? undefined : gt(pools.name, after[0] as string))
      .orderBy(asc(pools.name))
      .limit(limit + 1);
    const page = toPage(
      rows,
      limit,
      (row) => [row.name],
      (row) => row,
    );
    const items: (PoolView | PoolNameView)[] = [];
    for (const row of page.items) items.push(isFleetReader(ctx) ? await toView(db, row) : { name: row.name });
    return { ...page, items };
  });
}

/** Deletes a pool that has neither routes nor edges, with its history and join tokens. Administrators. */
export async function deletePool(ctx: Context, input: { name: string; precondition: Precondition }): Promise<void> {
  const { name, precondition } = input;
  await inTransaction(ctx.db, async (tx) => {
    requireAdmin(ctx);
    const [row] = await tx.select().from(pools).where(eq(pools.name, name)).for("update");
    if (row === undefined) throw notFound(name);
    checkPrecondition(row, precondition);
    const [ofRoutes] = await tx.select({ n: count() }).from(routes).where(eq(routes.poolId, row.id));
    const [ofEdges] = await tx.select({ n: count() }).from(edges).where(eq(edges.poolId, row.id));
    if (ofRoutes?.n !== 0 || ofEdges?.n !== 0) {
      throw new HellowayError(
        "conflict",
        "pool_in_use",
        `Pool "${name}" still has ${ofRoutes?.n} routes and ${ofEdges?.n} edges. Delete them first.`,
      );
    }
    await tx.delete(pools).where(eq(pools.id, row.id));
    await writeAudit(tx, ctx, { action: "pool.delete", object: `pools/${name}`, before: contentOf(row) });
  });
}

function checkSpec(spec: PoolSpec, sockets: FleetSockets): void {
  const problems = grantProblems(spec);
  // Backends are judged by the grants, so those must be right first.
  if (problems.length === 0) {
    for (const key of ["noSni", "unmatched"] as const) {
      const pointer = `/spec/${key}/backends`;
      problems.push(
        ...backendProblems(spec[key]?.backends ?? [], { team: defaultsTeam, pool: spec, sockets, pointer }),
      );
    }
  }
  if (problems.length > 0)
    throw new HellowayError("invalid", "invalid", "The pool cannot be stored as given.", { problems });
}

async function commitSettings(tx: Tx, ctx: Context, pool: PoolRow, sockets: FleetSockets): Promise<number> {
  const body = encodeSettings(pool.spec, sockets);
  const changes = await effectiveChanges(tx, pool.id, [{ kind: objectKinds.settings, id: settingsId, body }]);
  if (changes.length === 0) return pool.revision;
  const cause = `pool.put pools/${pool.name}`;
  return await commitRevision(tx, { poolId: pool.id, author: actorOf(ctx.principal), cause, changes });
}

function notFound(name: string): HellowayError {
  return new HellowayError("not_found", "pool_not_found", `There is no pool "${name}".`);
}
