import { and, desc, eq, gt, inArray, lte, sql } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { installation } from "../db/schema/installation.ts";
import { pools, revisions, tableChanges, tableObjects } from "../db/schema/pools.ts";
import { read } from "../db/read.ts";
import { toDatabaseError } from "../db/connection-loss.ts";
import { HellowayError } from "../errors.ts";
import type { TableHead } from "./table-version.ts";

/** An object as stored. kind: 1 route, 2 barrier, 3 settings. */
export interface StoredObject {
  kind: number;
  id: string;
  body: Uint8Array;
  /** SHA-256 of body. */
  hash: Uint8Array;
}

export interface StoredRemoval {
  kind: number;
  id: string;
  /** RemovalCause of edge.proto. */
  cause: number;
}

export interface TableSnapshot {
  at: TableHead;
  objects: StoredObject[];
}

export interface TableDelta {
  fromRevision: number;
  /** Of the table that the delta is from: an edge with another digest has another table. */
  fromDigest: Uint8Array;
  /** Of the table after it. */
  digest: Uint8Array;
  objects: StoredObject[];
  removals: StoredRemoval[];
}

/** Where each of these pools is now; pools that are gone are absent. One statement, so one moment. */
export async function readHeads(db: Db, poolIds: readonly string[]): Promise<Map<string, TableHead>> {
  const rows = await read(db, () =>
    db
      .select({
        installation: installation.id,
        epoch: installation.epoch,
        poolId: pools.id,
        revision: pools.revision,
        digest: pools.digest,
      })
      .from(pools)
      .innerJoin(installation, sql`true`)
      .where(inArray(pools.id, [...poolIds])),
  );
  return new Map(rows.map((head) => [head.poolId, head]));
}

/** The whole table of a pool and the version it is, at one moment. Throws not_found. */
export async function readSnapshot(db: Db, poolId: string): Promise<TableSnapshot> {
  try {
    return await db.transaction(
      async (tx) => {
        const at = (await readHeads(tx, [poolId])).get(poolId);
        if (at === undefined) throw new HellowayError("not_found", "pool_not_found", `There is no pool ${poolId}.`);
        const objects = await tx
          .select({
            kind: tableObjects.kind,
            id: tableObjects.objectId,
            body: tableObjects.body,
            hash: tableObjects.hash,
          })
          .from(tableObjects)
          .where(eq(tableObjects.poolId, poolId))
          .orderBy(tableObjects.kind, tableObjects.objectId);
        return { at, objects };
      },
      // The head and the objects are two statements; both see the same commits.
      { isolationLevel: "repeatable read", accessMode: "read only" },
    );
  } catch (error) {
    throw toDatabaseError(error);
  }
}

/**
 * What changed in (from, to], the last change of every object. It never changes once to is committed, so it can be kept.
 * null: history does not reach back to from.
 */
export async function readDelta(db: Db, poolId: string, from: number, to: number): Promise<TableDelta | null> {
  const ends = await read(db, () =>
    db
      .select({ revision: revisions.revision, digest: revisions.digest })
      .from(revisions)
      .where(and(eq(revisions.poolId, poolId), inArray(revisions.revision, [from, to]))),
  );
  const fromDigest = ends.find((end) => end.revision === from)?.digest;
  const digest = ends.find((end) => end.revision === to)?.digest;
  if (fromDigest === undefined || digest === undefined) return null;
  const changes = await read(db, () =>
    db
      .selectDistinctOn([tableChanges.kind, tableChanges.objectId], {
        kind: tableChanges.kind,
        id: tableChanges.objectId,
        body: tableChanges.body,
        hash: tableChanges.hash,
        cause: tableChanges.removalCause,
      })
      .from(tableChanges)
      .where(and(eq(tableChanges.poolId, poolId), gt(tableChanges.revision, from), lte(tableChanges.revision, to)))
      .orderBy(tableChanges.kind, tableChanges.objectId, desc(tableChanges.revision)),
  );
  const delta: TableDelta = { fromRevision: from, fromDigest, digest, objects: [], removals: [] };
  for (const { kind, id, body, hash, cause } of changes) {
    if (body !== null && hash !== null) delta.objects.push({ kind, id, body, hash });
    else delta.removals.push({ kind, id, cause: cause ?? 0 });
  }
  return delta;
}
