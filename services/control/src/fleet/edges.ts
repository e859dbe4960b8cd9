import { isDeepStrictEqual } from "node:util";
import { asc, count, eq, gt, inArray } from "drizzle-orm";
import type { Db, Tx } from "../db/database.ts";
import { read } from "../db/read.ts";
import { edgeRefusals, edges, type ReportedSocket } from "../db/schema/edges.ts";
import { installation } from "../db/schema/installation.ts";
import { pools } from "../db/schema/pools.ts";
import { edgeBoots } from "../db/schema/traffic.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { writeAudit } from "./audit.ts";
import { requireAdmin, requireFleetReader } from "./authorise.ts";
import type { Context } from "./context.ts";
import { checkDescribed } from "./described.ts";
import { type EdgeState, edgeState, isConnected } from "./edge-state.ts";
import { checkManagedBy } from "./managed-by.ts";
import { type ObjectView, type Put, toObjectView } from "./object-view.ts";
import { type Page, type PageInput, readCursor, toPage } from "./page.ts";
import { checkPrecondition, type Precondition } from "./precondition.ts";
import { syncSettings } from "./settings.ts";
import { settleBoots } from "./traffic-sums.ts";

export interface EdgeStatus {
  state: EdgeState;
  pool: string;
  desired: { revision: number };
  /** What the edge has acked. */
  applied: { epoch: number; revision: number; at: Date | null };
  agentVersion: string | null;
  /** Public addresses, as reported. */
  addresses: string[];
  listeners: ReportedSocket[];
  connected: boolean;
  seenAt: Date | null;
  /** Up to which revision its table is on its disk; error: why saving fails, empty when it works. */
  saved: { revision: number | null; error: string };
  /** Objects it does not serve as offered. */
  refused: number;
}

export type EdgeView = ObjectView<Record<string, never>, EdgeStatus>;

type EdgeRow = typeof edges.$inferSelect;

/** One edge. Administrators and viewers. */
export async function getEdge(ctx: Context, { name }: { name: string }): Promise<EdgeView> {
  return await read(ctx.db, async (db) => {
    requireFleetReader(ctx);
    const [row] = await db.select().from(edges).where(eq(edges.name, name));
    if (row === undefined) throw notFound(name);
    return await toView(db, row, ctx.now());
  });
}

/** Edges by name. Administrators and viewers. */
export async function listEdges(ctx: Context, { limit, cursor }: PageInput): Promise<Page<EdgeView>> {
  return await read(ctx.db, async (db) => {
    requireFleetReader(ctx);
    const after = readCursor(cursor, 1);
    const rows = await db
      .select()
      .from(edges)
      .where(after === null ? undefined : gt(edges.name, after[0] as string))
      .orderBy(asc(edges.name))
      .limit(limit + 1);
    const views = await toViews(db, rows, ctx.now());
    return toPage(
      views,
      limit,
      (view) => [view.name],
      (view) => view,
    );
  });
}

/** Changes what people say of an edge. It is made by enrolling, never here. Administrators. */
export async function putEdge(
  ctx: Context,
  input: { name: string; put: Omit<Put<unknown>, "spec">; precondition: Precondition },
): Promise<{ object: EdgeView; created: false }> {
  const { name, precondition } = input;
  const { labels, description, managedBy } = input.put;
  const put = { labels, description, managedBy };
  return await inTransaction(ctx.db, async (tx) => {
    requireAdmin(ctx);
    checkDescribed(put);
    const [row] = await tx.select().from(edges).where(eq(edges.name, name)).for("no key update");
    if (row === undefined) throw notFound(name);
    checkPrecondition(row, precondition);
    checkManagedBy(row, put);
    const before = { labels: row.labels, description: row.description, managedBy: row.managedBy };
    if (isDeepStrictEqual(before, put)) return { object: await toView(tx, row, ctx.now()), created: false };
    const [changed] = await tx
      .update(edges)
      .set({ ...put, version: row.version + 1, updatedAt: ctx.now() })
      .where(eq(edges.id, row.id))
      .returning();
    if (changed === undefined) throw new Error("a locked edge is gone");
    await writeAudit(tx, ctx, { action: "edge.put", object: `edges/${name}`, before, after: put });
    return { object: await toView(tx, changed, ctx.now()), created: false };
  });
}

/**
 * Forgets an edge: its certificates stop working. What it counted stays in the totals of its routes; what it had open is closed as
 * edge_lost, for it reports no more. Administrators.
 */
export async function deleteEdge(ctx: Context, input: { name: string; precondition: Precondition }): Promise<void> {
  const { name, precondition } = input;
  await inTransaction(ctx.db, async (tx) => {
    requireAdmin(ctx);
    const [row] = await tx.select().from(edges).where(eq(edges.name, name)).for("update");
    if (row === undefined) throw notFound(name);
    checkPrecondition(row, precondition);
    await settleTraffic(tx, row.id, ctx.now());
    await tx.delete(edges).where(eq(edges.id, row.id));
    const before = { id: row.id, labels: row.labels, description: row.description };
    await writeAudit(tx, ctx, { action: "edge.delete", object: `edges/${name}`, before });
    await syncSettings(tx, ctx, `edge.delete edges/${name}`);
  });
}

async function settleTraffic(tx: Tx, edgeId: string, now: Date): Promise<void> {
  const boots = await tx
    .select({ id: edgeBoots.bootId })
    .from(edgeBoots)
    .where(eq(edgeBoots.edgeId, edgeId))
    .for("update");
  const minute = new Date(now.getTime() - (now.getTime() % 60_000));
  await settleBoots(tx, { edgeId, bootIds: boots.map(({ id }) => id), minute });
}

async function toView(db: Db, row: EdgeRow, now: Date): Promise<EdgeView> {
  const [view] = await toViews(db, [row], now);
  return view as EdgeView;
}

async function toViews(db: Db, rows: readonly EdgeRow[], now: Date): Promise<EdgeView[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const poolIds = [...new Set(rows.map((row) => row.poolId))];
  const [own] = await db.select({ epoch: installation.epoch }).from(installation);
  const epoch = own?.epoch ?? 0;
  const ofPools = await db
    .select({ id: pools.id, name: pools.name, revision: pools.revision })
    .from(pools)
    .where(inArray(pools.id, poolIds));
  const poolsById = new Map(ofPools.map((pool) => [pool.id, pool]));
  const ofRefusals = await db
    .select({ edgeId: edgeRefusals.edgeId, n: count() })
    .from(edgeRefusals)
    .where(inArray(edgeRefusals.edgeId, ids))
    .groupBy(edgeRefusals.edgeId);
  const refused = new Map(ofRefusals.map(({ edgeId, n }) => [edgeId, n]));
  return rows.map((row) => {
    const pool = poolsById.get(row.poolId);
    const revision = pool?.revision ?? 0;
    return toObjectView(
      row,
      {},
      {
        state: edgeState(row, { epoch, revision }, now),
        pool: pool?.name ?? "",
        desired: { revision },
        applied: { epoch: row.appliedEpoch, revision: row.appliedRevision, at: row.appliedAt },
        agentVersion: row.agentVersion,
        addresses: row.addresses,
        listeners: row.listeners,
        connected: isConnected(row, now),
        seenAt: row.seenAt,
        saved: { revision: row.savedRevision, error: row.diskError },
        refused: refused.get(row.id) ?? 0,
      },
    );
  });
}

function notFound(name: string): HellowayError {
  return new HellowayError("not_found", "edge_not_found", `There is no edge "${name}".`);
}
