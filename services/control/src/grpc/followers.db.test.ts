import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { startControlPlane } from "../../../../test/harness/control-plane.ts";
import { onPostgres } from "../../../../test/harness/database.ts";
import { connectEdge, enrolEdge } from "../../../../test/harness/edge-client.ts";
import { pools } from "../db/schema/pools.ts";
import { inTransaction } from "../db/transaction.ts";
import { type TableChange, commitRevision, effectiveChanges, lockPools } from "../fleet/revisions.ts";

const writers = 16;
const writesEach = 20;
const remove = 1;

onPostgres((open) => {
  test("while 16 writers commit, an edge sees revisions only grow and holds exactly what was committed at each", async () => {
    const control = await startControlPlane(await open());
    const replica = await startControlPlane(control.database);
    await control.fleet.pool("main");
    const { db } = control.database;
    const [pool] = await db.select().from(pools);
    const edges = await Promise.all(
      ["left", "right"].map(async (name, index) => {
        const at = index === 0 ? control : replica;
        const connection = connectEdge(await enrolEdge(at, "main", name), {
          acknowledge: (update, held) => {
            // Both are over the objects held: a wrong delta would show.
            wrong.push(...(Buffer.compare(held.digest, update.digest) === 0 ? [] : [update.to.revision]));
            return { version: held.version, digest: held.digest };
          },
        });
        await connection.welcome;
        return connection;
      }),
    );
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let turn = 0; turn < writesEach; turn++) {
          await inTransaction(db, async (tx) => {
            await lockPools(tx, [pool!.id]);
            const changes: TableChange[] = [
              { kind: 1, id: `own-${writer}-${turn % 3}`, body: new Uint8Array(randomBytes(30)) },
              turn % 2 === 0
                ? { kind: 1, id: "shared", body: new Uint8Array(randomBytes(30)) }
                : { kind: 1, id: "shared", remove },
            ];
            const effective = await effectiveChanges(tx, pool!.id, changes);
            await commitRevision(tx, { poolId: pool!.id, author: "test", cause: "test", changes: effective });
          });
        }
      }),
    );
    const last = BigInt((await db.select().from(pools))[0]!.revision);
    expect(last).toBeGreaterThanOrEqual(BigInt(writers * writesEach));
    for (const edge of edges) {
      await expect.poll(() => edge.held?.version.revision).toBe(last);
      const seen = edge.updates.map(({ to }) => Number(to.revision));
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      expect(new Set(seen).size).toBe(seen.length);
    }
    expect(wrong).toEqual([]);
  });

  const wrong: bigint[] = [];
});
