import { createHash } from "node:crypto";
import type { Db } from "@helloway/control/db/database";
import { pools, revisions, tableChanges, tableObjects } from "@helloway/control/db/schema/pools";
import { emptyDigest, objectEntry, xorDigest } from "@helloway/routing/object-digest";
import { asc, eq } from "drizzle-orm";
import { expect } from "vitest";

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** One object of a table: kind, id and the hash of its bytes. */
export type TableEntry = `${number} ${string} ${string}`;

/**
 * Checks everything that is always true of a pool's revisions: no gaps, what changed at each adds up to the table, and the digest of
 * each is the table's at it. Returns the table.
 */
export async function checkTable(db: Db, pool: string): Promise<TableEntry[]> {
  const [row] = await db.select().from(pools).where(eq(pools.name, pool));
  if (row === undefined) throw new Error(`There is no pool ${pool}.`);
  const history = await db
    .select()
    .from(revisions)
    .where(eq(revisions.poolId, row.id))
    .orderBy(asc(revisions.revision));
  expect(history.map(({ revision }) => revision)).toEqual(Array.from({ length: row.revision }, (_, i) => i + 1));

  const changes = await db.select().from(tableChanges).where(eq(tableChanges.poolId, row.id));
  const table = new Map<string, TableEntry>();
  for (const { revision, digest } of history) {
    const made = changes.filter((change) => change.revision === revision);
    expect(made.length, `revision ${revision} changes nothing`).toBeGreaterThan(0);
    for (const { kind, objectId, body, hash } of made) {
      if (body === null || hash === null) {
        expect(table.delete(`${kind} ${objectId}`), `removal of ${kind} ${objectId}, which is not there`).toBe(true);
        continue;
      }
      expect(hex(hash)).toBe(hex(sha256(body)));
      table.set(`${kind} ${objectId}`, `${kind} ${objectId} ${hex(hash)}`);
    }
    let expected = emptyDigest();
    for (const entry of table.values()) {
      const [kind, id, hash] = entry.split(" ") as [string, string, string];
      expected = xorDigest(expected, objectEntry(sha256, Number(kind), id, new Uint8Array(Buffer.from(hash, "hex"))));
    }
    expect(hex(digest), `digest at revision ${revision}`).toBe(hex(expected));
  }
  const stored = await db.select().from(tableObjects).where(eq(tableObjects.poolId, row.id));
  const entries = stored.map(({ kind, objectId, hash }): TableEntry => `${kind} ${objectId} ${hex(hash)}`);
  expect(entries.toSorted()).toEqual([...table.values()].toSorted());
  expect(hex(row.digest)).toBe(hex(history.at(-1)?.digest ?? emptyDigest()));
  return entries.toSorted();
}
