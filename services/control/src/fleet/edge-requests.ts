// Requests to edges: one row each, written in the transaction of the verb that wants it, with a notification. The replica that holds
// the edge's session sends it and writes what came of it.
//
// Invariants:
// - A row is fulfilled once, by the edge's newest session; the first result stays.
// - It is sent again until it is fulfilled or expired, and the edge does it once (an edge answers an id that it knows as before). A result
//   that comes after the expiry is written all the same: it is what happened.
import { randomUUID } from "node:crypto";
import { and, asc, eq, gt, inArray, isNull, lt, sql } from "drizzle-orm";
import type { Db, Tx } from "../db/database.ts";
import { read } from "../db/read.ts";
import { type EdgeAction, type EdgeRequestResult, edgeRequests } from "../db/schema/edge-requests.ts";
import { edges } from "../db/schema/edges.ts";
import { inTransaction } from "../db/transaction.ts";

export type { EdgeAction, EdgeRequestResult } from "../db/schema/edge-requests.ts";

/** The channel of NOTIFY; the payload is the edge's id. */
export const edgeRequestsChannel = "helloway_edge_requests";

/** As long as anybody waits for an answer: what comes later would meet connections that nobody meant. */
export const edgeRequestLifetimeMs = 30_000;

/** Results are kept for as long as a repeat of the request that wanted them is recognised, and longer. */
const keptMs = 48 * 3_600_000;
/** Old rows that go with every new one: more than one, so that the table stops growing. */
const tidiedPerRow = 2;

/** What is to be sent to an edge. */
export interface OpenEdgeRequest {
  id: string;
  edgeId: string;
  /** Number of the edge's newest session, the only one that is to send it. */
  session: number;
  action: EdgeAction;
}

/** Asks each of these edges; the ids of the requests by edge id. Whoever holds their sessions hears of it with the commit. */
export async function requestOfEdges(
  tx: Tx,
  { edgeIds, action, now }: { edgeIds: readonly string[]; action: EdgeAction; now: Date },
): Promise<Map<string, string>> {
  if (edgeIds.length === 0) return new Map();
  const expiresAt = new Date(now.getTime() + edgeRequestLifetimeMs);
  // One order for all who lock edges, so that none wait for each other.
  const rows = edgeIds.toSorted().map((edgeId) => ({ id: randomUUID(), edgeId, action, createdAt: now, expiresAt }));
  await tx.insert(edgeRequests).values(rows);
  await tx.execute(sql`
    select pg_notify(${edgeRequestsChannel}, edge_id)
    from json_array_elements_text(${JSON.stringify(edgeIds)}::json) as asked(edge_id)`);
  await tidy(tx, { rows: tidiedPerRow * rows.length, oldest: new Date(now.getTime() - keptMs) });
  return new Map(rows.map(({ id, edgeId }) => [edgeId, id]));
}

/** Of these edges what is neither fulfilled nor expired, the oldest first. */
export async function readOpenRequests(
  db: Db,
  { edgeIds, now }: { edgeIds: readonly string[]; now: Date },
): Promise<OpenEdgeRequest[]> {
  return await read(db, () =>
    db
      .select({
        id: edgeRequests.id,
        edgeId: edgeRequests.edgeId,
        session: edges.session,
        action: edgeRequests.action,
      })
      .from(edgeRequests)
      .innerJoin(edges, eq(edges.id, edgeRequests.edgeId))
      .where(
        and(
          inArray(edgeRequests.edgeId, [...edgeIds]),
          isNull(edgeRequests.fulfilledAt),
          gt(edgeRequests.expiresAt, now),
        ),
      )
      .orderBy(asc(edgeRequests.createdAt), asc(edgeRequests.id)),
  );
}

/** Writes what an edge answered. Nothing happens for another edge's request, one that has its result, and an older session. */
export async function recordRequestResult(
  db: Db,
  answer: { id: string; edgeId: string; session: number; result: EdgeRequestResult; now: Date },
): Promise<void> {
  const { id, edgeId, session, result, now } = answer;
  await inTransaction(db, async (tx) => {
    // Held until the commit, so that no newer session begins in between.
    const [current] = await tx
      .select({ id: edges.id })
      .from(edges)
      .where(and(eq(edges.id, edgeId), eq(edges.session, session)))
      .for("key share");
    if (current === undefined) return;
    await tx
      .update(edgeRequests)
      .set({ fulfilledAt: now, result })
      .where(and(eq(edgeRequests.id, id), eq(edgeRequests.edgeId, edgeId), isNull(edgeRequests.fulfilledAt)));
  });
}

/** Where a request stands: what came of it, that nothing has yet, or that nothing did in its time. */
export type EdgeRequestOutcome =
  | { state: "answered"; result: EdgeRequestResult }
  | { state: "open" }
  | { state: "expired" };

/** By id; those that are not kept any more are not in it. */
export async function readRequestOutcomes(
  db: Db,
  { ids, now }: { ids: readonly string[]; now: Date },
): Promise<Map<string, EdgeRequestOutcome>> {
  if (ids.length === 0) return new Map();
  const rows = await read(db, () =>
    db
      .select({ id: edgeRequests.id, expiresAt: edgeRequests.expiresAt, result: edgeRequests.result })
      .from(edgeRequests)
      .where(inArray(edgeRequests.id, [...ids])),
  );
  return new Map(
    rows.map(({ id, expiresAt, result }) => [
      id,
      result === null
        ? { state: expiresAt > now ? ("open" as const) : ("expired" as const) }
        : { state: "answered", result },
    ]),
  );
}

/** Rows another transaction is tidying up are left to it. */
async function tidy(tx: Tx, { rows, oldest }: { rows: number; oldest: Date }): Promise<void> {
  const old = tx
    .select({ id: edgeRequests.id })
    .from(edgeRequests)
    .where(lt(edgeRequests.createdAt, oldest))
    .limit(rows)
    .for("update", { skipLocked: true });
  await tx.delete(edgeRequests).where(inArray(edgeRequests.id, old));
}
