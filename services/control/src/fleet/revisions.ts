// Revisions of a pool's table. The pool's row is the lock: whoever holds it makes the next revision and commits before the next one
// can, so revisions have no gaps and their order is the order of the commits.
//
// Invariants, at every commit: table_objects is what replaying table_changes gives; pools.digest is the digest of table_objects;
// every number from 1 to pools.revision has its row in revisions.
import { and, eq, inArray, or, sql } from "drizzle-orm";
import { objectEntry, xorDigest } from "@helloway/routing/object-digest";
import type { Tx } from "../db/database.ts";
import { pools, revisions, tableChanges, tableObjects } from "../db/schema/pools.ts";
import type { ObjectKind, RemovalCause } from "./encode-object.ts";
import { sha256 } from "./sha256.ts";

/** One object of a table that is new or different, or that goes. */
export type TableChange =
  | { kind: ObjectKind; id: string; body: Uint8Array }
  | { kind: ObjectKind; id: string; remove: RemovalCause };

export interface RevisionInput {
  poolId: string;
  author: string;
  /** What was done, for people: "route.put teams/payments/routes/api". */
  cause: string;
  /** At least one; each object at most once. */
  changes: readonly TableChange[];
}

/** The channel of NOTIFY; the payload is `<pool id>:<revision>`. */
export const poolsChannel = "helloway_pools";

/** Rows of one statement; the protocol allows 65,535 parameters. */
const rowsMax = 5_000;

/**
 * Takes the pools' rows until the end of the transaction, in the order of their ids so that two writers never wait for each other.
 * Call it late, after everything that may wait, and read what revisions depend on after it.
 */
export async function lockPools(tx: Tx, poolIds: readonly string[]): Promise<void> {
  const ids = [...new Set(poolIds)];
  if (ids.length === 0) return;
  await tx.select({ id: pools.id }).from(pools).where(inArray(pools.id, ids)).orderBy(pools.id).for("no key update");
}

/** Makes the changes the pool's next revision and tells who listens. Returns its number. */
export async function commitRevision(tx: Tx, input: RevisionInput): Promise<number> {
  const { poolId, author, cause, changes } = input;
  if (changes.length === 0) throw new Error("A revision changes something.");
  const [pool] = await tx
    .update(pools)
    .set({ revision: sql`${pools.revision} + 1` })
    .where(eq(pools.id, poolId))
    .returning({ revision: pools.revision, digest: pools.digest });
  if (pool === undefined) throw new Error(`There is no pool ${poolId}.`);

  const { revision } = pool;
  let { digest } = pool;
  for (const old of await readObjects(tx, poolId, changes)) {
    digest = xorDigest(digest, objectEntry(sha256, old.kind, old.objectId, old.hash));
  }
  const rows = changes.map((change) => toRow(poolId, revision, change));
  for (const { kind, objectId, hash } of rows) {
    if (hash !== null) digest = xorDigest(digest, objectEntry(sha256, kind, objectId, hash));
  }
  for (const some of chunks(rows)) await tx.insert(tableChanges).values(some);
  await writeObjects(tx, poolId, rows);
  await tx.insert(revisions).values({ poolId, revision, author, cause, digest });
  await tx.update(pools).set({ digest }).where(eq(pools.id, poolId));
  await tx.execute(sql`select pg_notify(${poolsChannel}, ${`${poolId}:${revision}`})`);
  return revision;
}

/** Of the changes those that would make a difference to the pool's table. The pool must be locked. */
export async function effectiveChanges(
  tx: Tx,
  poolId: string,
  changes: readonly TableChange[],
): Promise<TableChange[]> {
  const stored = new Map<string, Uint8Array>();
  for (const { kind, objectId, hash } of await readObjects(tx, poolId, changes))
    stored.set(`${kind}:${objectId}`, hash);
  return changes.filter((change) => {
    const hash = stored.get(`${change.kind}:${change.id}`);
    if ("remove" in change) return hash !== undefined;
    return hash === undefined || !Buffer.from(hash).equals(sha256(change.body));
  });
}

type ChangeRow = typeof tableChanges.$inferInsert & { hash: Uint8Array | null };

function toRow(poolId: string, revision: number, change: TableChange): ChangeRow {
  const key = { poolId, revision, kind: change.kind, objectId: change.id };
  if ("remove" in change) return { ...key, body: null, hash: null, removalCause: change.remove };
  return { ...key, body: change.body, hash: sha256(change.body), removalCause: null };
}

async function writeObjects(tx: Tx, poolId: string, rows: readonly ChangeRow[]): Promise<void> {
  const removed = rows.filter((row) => row.hash === null);
  for (const some of chunks(removed)) await tx.delete(tableObjects).where(objectsWhere(poolId, some));
  const kept = rows.flatMap(({ kind, objectId, body, hash, revision }) =>
    body && hash ? [{ poolId, kind, objectId, body, hash, revision }] : [],
  );
  for (const some of chunks(kept)) {
    await tx
      .insert(tableObjects)
      .values(some)
      .onConflictDoUpdate({
        target: [tableObjects.poolId, tableObjects.kind, tableObjects.objectId],
        set: { body: sql`excluded.body`, hash: sql`excluded.hash`, revision: sql`excluded.revision` },
      });
  }
}

async function readObjects(tx: Tx, poolId: string, changes: readonly TableChange[]) {
  const { kind, objectId, hash } = tableObjects;
  const found: { kind: number; objectId: string; hash: Uint8Array }[] = [];
  for (const some of chunks(changes.map((change) => ({ kind: change.kind, objectId: change.id })))) {
    found.push(...(await tx.select({ kind, objectId, hash }).from(tableObjects).where(objectsWhere(poolId, some))));
  }
  return found;
}

function objectsWhere(poolId: string, keys: readonly { kind: number; objectId: string }[]) {
  const byKind = Map.groupBy(keys, (key) => key.kind);
  const some = [...byKind].map(([kind, group]) =>
    and(
      eq(tableObjects.kind, kind),
      inArray(
        tableObjects.objectId,
        group.map((key) => key.objectId),
      ),
    ),
  );
  return and(eq(tableObjects.poolId, poolId), or(...some));
}

function* chunks<T>(rows: readonly T[]): Generator<T[]> {
  for (let at = 0; at < rows.length; at += rowsMax) yield rows.slice(at, at + rowsMax);
}
