import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../../../test/harness/control-plane.ts";
import { eachDatabase, onPostgres } from "../../../../test/harness/database.ts";
import { connectEdge, enrolEdge } from "../../../../test/harness/edge-client.ts";
import { pools } from "../db/schema/pools.ts";
import { inTransaction } from "../db/transaction.ts";
import { commitRevision } from "./revisions.ts";

const commit = async (control: ControlPlane, id: string): Promise<number> => {
  const { db } = control.database;
  const [pool] = await db.select().from(pools);
  return await inTransaction(db, (tx) =>
    commitRevision(tx, {
      poolId: pool!.id,
      author: "test",
      cause: "test",
      changes: [{ kind: 1, id, body: new Uint8Array(randomBytes(40)) }],
    }),
  );
};

eachDatabase((open) => {
  test("a commit reaches the edge by its notification, long before the next poll", async () => {
    const control = await startControlPlane(await open(), { pollMs: 3_600_000 });
    await control.fleet.pool("main");
    const connection = connectEdge(await enrolEdge(control, "main", "notified"));
    await expect.poll(() => connection.held).not.toBeNull();
    const revision = await commit(control, "one");
    await expect.poll(() => connection.held?.version.revision).toBe(BigInt(revision));
  });
});

onPostgres((open) => {
  describe("a listening connection that is killed", () => {
    let control: ControlPlane;
    beforeAll(async () => {
      control = await startControlPlane(await open());
      await control.fleet.pool("main");
    });

    /** Ends every connection that listens, again and again until none does. */
    const killListeners = async (): Promise<number> => {
      const { rows } = await control.database.db.execute<{ killed: boolean }>(sql`
        select pg_terminate_backend(pid) as killed from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'`);
      return rows.length;
    };

    test("while a change is made delays it by a poll at most", async () => {
      const connection = connectEdge(await enrolEdge(control, "main", "polled"));
      await expect.poll(() => connection.held).not.toBeNull();
      await expect.poll(killListeners).toBeGreaterThan(0);
      const revision = await commit(control, "missed");
      await expect.poll(() => connection.held?.version.revision).toBe(BigInt(revision));
    });

    test("comes back, and what was committed meanwhile is read then though nothing polls", async () => {
      const silent = await startControlPlane(control.database, { pollMs: 3_600_000 });
      const connection = connectEdge(await enrolEdge(silent, "main", "back"));
      await expect.poll(() => connection.held).not.toBeNull();
      for (const id of ["a", "b", "c"]) {
        await expect.poll(killListeners).toBeGreaterThan(0);
        const revision = await commit(control, id);
        await expect.poll(() => connection.held?.version.revision).toBe(BigInt(revision));
      }
    });
  });
});
