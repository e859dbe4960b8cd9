import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import type { Database } from "./database.ts";
import { inTransaction } from "./transaction.ts";

/** Any number, as long as it is only ours: replicas that start together migrate one after the other. */
const migrationLock = 4_931_507_218;
/** Asked for again and again rather than waited for: another replica's migration may outlast the limit of a statement. */
const lockRetryMs = 200;

const folder = path.join(import.meta.dirname, "../../drizzle");

/**
 * Brings the schema up to date: every migration that is missing, in one transaction, so that a failed one leaves nothing behind.
 * Records them as drizzle-kit does. Refuses a database that a newer Helloway has migrated.
 */
export async function migrate(database: Database): Promise<void> {
  while (!(await migrateUnlessLocked(database))) await sleep(lockRetryMs);
}

/** False: another process is migrating. */
async function migrateUnlessLocked(database: Database): Promise<boolean> {
  const migrations = readMigrationFiles({ migrationsFolder: folder });
  return await inTransaction(database.db, async (tx) => {
    const lock = await tx.execute<{ had: boolean }>(sql`select pg_try_advisory_xact_lock(${migrationLock}) as had`);
    if (lock.rows[0]?.had !== true) return false;
    await tx.execute(sql`set local statement_timeout = 0`);
    await tx.execute(sql`create schema if not exists drizzle`);
    await tx.execute(
      sql`create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`,
    );
    const { rows } = await tx.execute<{ hash: string; created_at: number }>(
      sql`select hash, created_at from drizzle.__drizzle_migrations order by created_at desc limit 1`,
    );
    const last = rows[0]?.created_at ?? 0;
    const newest = migrations.at(-1)?.folderMillis ?? 0;
    if (last > newest) {
      throw new Error(
        "The database was migrated by a newer version of Helloway. Run that version, or restore a backup from before it.",
      );
    }
    for (const migration of migrations) {
      if (migration.folderMillis <= last) continue;
      // All statements at once: one round trip instead of sixty.
      await tx.execute(sql.raw(migration.sql.join(";\n")));
      await tx.execute(
        sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${migration.hash}, ${migration.folderMillis})`,
      );
    }
    return true;
  });
}
