import { eachDatabase } from "@helloway/test/harness/database";
import { sql } from "drizzle-orm";
import { integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { beforeAll, describe, expect, test } from "vitest";
import { bytea, count, instant } from "./schema/columns.ts";
import type { Database } from "./database.ts";
import { sqlState, violatedConstraint } from "./connection-loss.ts";
import { migrate } from "./migrate.ts";
import { inTransaction } from "./transaction.ts";

const samples = pgTable(
  "samples",
  { id: integer().notNull(), amount: count(), bytes: bytea(), at: instant(), name: text() },
  (t) => [primaryKey({ name: "samples_key", columns: [t.id] })],
);

eachDatabase((open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
    await database.db.execute(
      sql`create table samples (id integer constraint samples_key primary key, amount bigint, bytes bytea, at timestamptz, name text)`,
    );
  });

  test("counts, bytes and instants come back as they went", async () => {
    const row = {
      id: 1,
      amount: Number.MAX_SAFE_INTEGER,
      bytes: new Uint8Array([0, 1, 127, 128, 255]),
      at: new Date("2026-11-23T12:34:56.789Z"),
      name: "ä\u{1F600}",
    };
    await database.db.insert(samples).values(row);
    // A part of a larger buffer, as parsers give them.
    const part = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
    await database.db.insert(samples).values({ id: 2, amount: -1, bytes: part, at: null, name: null });
    expect(await database.db.select().from(samples).orderBy(samples.id)).toEqual([
      row,
      { id: 2, amount: -1, bytes: new Uint8Array([1, 2, 3]), at: null, name: null },
    ]);
  });

  test("raw statements answer the same on both", async () => {
    const { rows } = await database.db.execute(
      sql`select 5::int8 as amount, '2026-11-23 12:34:56.789+00'::timestamptz as at, '\\x0001'::bytea as bytes, array['a','b'] as list, '{"a":1}'::jsonb as json`,
    );
    expect(rows).toEqual([
      { amount: 5, at: "2026-11-23 12:34:56.789+00", bytes: expect.any(Uint8Array), list: ["a", "b"], json: { a: 1 } },
    ]);
  });

  test("many bytes go and come", async () => {
    const bytes = new Uint8Array(2_000_000).map((_, i) => i % 251);
    await database.db.insert(samples).values({ id: 10, bytes });
    const rows = await database.db
      .select({ bytes: samples.bytes })
      .from(samples)
      .where(sql`${samples.id} = 10`);
    expect(Buffer.from(rows[0]?.bytes ?? []).equals(bytes)).toBe(true);
  });

  describe("a transaction", () => {
    test("is all or nothing", async () => {
      const failing = inTransaction(database.db, async (tx) => {
        await tx.insert(samples).values({ id: 20 });
        throw new Error("no");
      });
      await expect(failing).rejects.toThrow("no");
      await inTransaction(database.db, async (tx) => void (await tx.insert(samples).values({ id: 20 })));
    });

    test("inside another is a part of it that may fail alone", async () => {
      await inTransaction(database.db, async (outer) => {
        await outer.insert(samples).values({ id: 30 });
        const inner = inTransaction(outer, async (tx) => {
          await tx.insert(samples).values({ id: 31 });
          throw new Error("no");
        });
        await expect(inner).rejects.toThrow("no");
      });
      const rows = await database.db
        .select({ id: samples.id })
        .from(samples)
        .where(sql`${samples.id} in (30, 31)`);
      expect(rows).toEqual([{ id: 30 }]);
    });

    test("refuses the outer database inside it instead of waiting for itself", async () => {
      const wrong = inTransaction(database.db, async () => void (await database.db.select().from(samples)));
      await expect(wrong).rejects.toMatchObject({ cause: { message: expect.stringContaining("outer database") } });
      const nested = inTransaction(database.db, () => inTransaction(database.db, () => Promise.resolve()));
      await expect(nested).rejects.toThrow(/outer database/);
      await database.ping();
    });

    test("does not see what another one has not committed, however many run at once", async () => {
      await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          inTransaction(database.db, async (tx) => {
            await tx.insert(samples).values({ id: 100 + i });
            const seen = await tx
              .select({ id: samples.id })
              .from(samples)
              .where(sql`${samples.id} between 100 and 199`);
            expect(seen.map((row) => row.id)).toContain(100 + i);
            await tx.insert(samples).values({ id: 200 + i });
          }),
        ),
      );
      const rows = await database.db
        .select({ id: samples.id })
        .from(samples)
        .where(sql`${samples.id} between 100 and 299`);
      expect(rows).toHaveLength(24);
    });

    test("says which constraint it broke", async () => {
      const error: unknown = await database.db
        .insert(samples)
        .values([{ id: 300 }, { id: 300 }])
        .catch((reason: unknown) => reason);
      expect([sqlState(error), violatedConstraint(error)]).toEqual(["23505", "samples_key"]);
    });
  });

  test("migrating again changes nothing, and a database of a newer version is refused", async () => {
    await migrate(database);
    const table = sql`drizzle.__drizzle_migrations`;
    const before = await database.db.execute(sql`select * from ${table}`);
    await migrate(database);
    expect((await database.db.execute(sql`select * from ${table}`)).rows).toEqual(before.rows);
    await database.db.execute(sql`insert into ${table} (hash, created_at) values ('future', 99999999999999)`);
    await expect(migrate(database)).rejects.toThrow(/newer version/);
  });

  test("a NOTIFY reaches who listens once it is committed, and nobody after the signal", async () => {
    const controller = new AbortController();
    const got: string[] = [];
    const connected = Promise.withResolvers<void>();
    const handlers = {
      onNotify: (payload: string) => void got.push(payload),
      onConnected: () => connected.resolve(),
      onLost: () => {},
    };
    const listening = database.listen("some channel", handlers, controller.signal);
    await connected.promise;
    const rolledBack = inTransaction(database.db, async (tx) => {
      await tx.execute(sql`select pg_notify('some channel', 'never')`);
      throw new Error("no");
    });
    await expect(rolledBack).rejects.toThrow("no");
    await database.db.execute(sql`select pg_notify('other channel', 'other')`);
    await database.db.execute(sql`select pg_notify('some channel', 'a:1')`);
    await expect.poll(() => got).toEqual(["a:1"]);
    controller.abort();
    await listening;
  });
});
