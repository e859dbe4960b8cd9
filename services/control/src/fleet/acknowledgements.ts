import { inArray, sql } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { edgeRefusals } from "../db/schema/edges.ts";
import { inTransaction } from "../db/transaction.ts";

/** An object that an edge does not serve as offered. */
export interface EdgeRefusal {
  kind: number;
  id: string;
  offeredHash: Uint8Array;
  /** null: nothing is served in its place. */
  usedHash: Uint8Array | null;
  code: string;
  detail: string;
}

/** What a session learnt of its edge. */
export interface Acknowledgement {
  edgeId: string;
  /** The session's fencing number. */
  session: number;
  /** What it serves now; null: nothing new. */
  applied: { epoch: number; revision: number } | null;
  disk: { savedRevision: number; error: string } | null;
  /** All that it refuses; null: as before. */
  refusals: EdgeRefusal[] | null;
}

/** Rows of one insert: a statement has at most 65,535 parameters. */
const refusalsPerInsert = 5_000;

/**
 * Writes what edges acknowledged, at most one a session, in one transaction. Only the newest session of an edge writes, and what it
 * applied never goes back.
 */
export async function recordAcknowledgements(
  db: Db,
  { acks, now }: { acks: readonly Acknowledgement[]; now: Date },
): Promise<void> {
  if (acks.length === 0) return;
  const rows = acks
    .map(({ edgeId, session, applied, disk }) => ({
      id: edgeId,
      session,
      epoch: applied?.epoch ?? null,
      revision: applied?.revision ?? null,
      saved: disk?.savedRevision ?? null,
      error: disk?.error ?? null,
    }))
    // One order for all, so that two replicas never wait for each other.
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  await inTransaction(db, async (tx) => {
    const { rows: written } = await tx.execute<{ id: string }>(sql`
      with ack as (
        select * from json_to_recordset(${JSON.stringify(rows)}::json)
          as ack(id uuid, session bigint, epoch bigint, revision bigint, saved bigint, error text)
      ), locked as (
        select edges.id, (ack.epoch, ack.revision) > (edges.applied_epoch, edges.applied_revision) as newer
        from edges join ack on ack.id = edges.id and ack.session = edges.session
        order by edges.id for update of edges
      )
      update edges set
        applied_epoch = case when locked.newer then ack.epoch else edges.applied_epoch end,
        applied_revision = case when locked.newer then ack.revision else edges.applied_revision end,
        applied_at = case when locked.newer then ${now.toISOString()}::timestamptz else edges.applied_at end,
        saved_revision = coalesce(ack.saved, edges.saved_revision),
        disk_error = coalesce(ack.error, edges.disk_error)
      from ack, locked
      where ack.id = edges.id and ack.session = edges.session and locked.id = edges.id
      returning edges.id`);
    const current = new Set(written.map(({ id }) => id));
    const told = acks.filter(({ edgeId, refusals }) => refusals !== null && current.has(edgeId));
    if (told.length === 0) return;
    await tx.delete(edgeRefusals).where(
      inArray(
        edgeRefusals.edgeId,
        told.map(({ edgeId }) => edgeId),
      ),
    );
    const refused = told.flatMap(({ edgeId, refusals }) =>
      (refusals ?? []).map(({ id, ...refusal }) => ({ edgeId, objectId: id, ...refusal })),
    );
    for (let i = 0; i < refused.length; i += refusalsPerInsert) {
      await tx
        .insert(edgeRefusals)
        .values(refused.slice(i, i + refusalsPerInsert))
        .onConflictDoNothing();
    }
  });
}
