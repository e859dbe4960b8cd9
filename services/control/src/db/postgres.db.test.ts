// A Postgres that goes away and comes back.
import { onPostgres } from "@helloway/test/harness/database";
import { type Postgres, startPostgres } from "@helloway/test/harness/postgres";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Database } from "./database.ts";
import { migrate } from "./migrate.ts";
import { openPostgres } from "./postgres.ts";
import { read } from "./read.ts";
import { inTransaction } from "./transaction.ts";
import { waitForDatabase } from "./wait.ts";

const channel = "channel";

onPostgres((open) => {
  test("a listening connection that is killed comes back by itself and says so", async () => {
    const database = await open();
    const controller = new AbortController();
    const events: string[] = [];
    const handlers = {
      onNotify: (payload: string) => void events.push(payload),
      onConnected: () => void events.push("connected"),
      onLost: () => void events.push("lost"),
    };
    const listening = database.listen(channel, handlers, controller.signal);
    await expect.poll(() => events).toEqual(["connected"]);
    await database.db.execute(
      sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
    );
    await expect.poll(() => events).toEqual(["connected", "lost", "connected"]);
    await database.db.execute(sql`select pg_notify(${channel}, 'after')`);
    await expect.poll(() => events.at(-1)).toBe("after");
    controller.abort();
    await listening;
  });

  test("connections killed while idle and while used are replaced", async () => {
    const database = await open();
    const kill = () =>
      database.db.execute(
        sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      );
    const pingAll = () => Promise.all(Array.from({ length: 5 }, () => database.ping()));
    await pingAll();
    await kill();
    // Every connection once: the pool hears of each end when it comes, and none that is killed is left for what follows.
    await vi.waitFor(pingAll, { timeout: 20_000 });
    const cut = inTransaction(database.db, async (tx) => {
      await tx.execute(sql`select pg_terminate_backend(pg_backend_pid())`);
    });
    await expect(cut).rejects.toMatchObject({ kind: "unavailable", code: "database_unavailable" });
    await database.ping();
  });

  test("a statement that takes too long is given up", async () => {
    const database = await open();
    const slow = inTransaction(database.db, async (tx) => {
      await tx.execute(sql`set local statement_timeout = 50`);
      await tx.execute(sql`select pg_sleep(60)`);
    });
    await expect(slow).rejects.toMatchObject({ code: "database_unavailable" });
    await database.ping();
  });

  test("a deadlock is resolved by doing one of the two again", async () => {
    const { db } = await open();
    await db.execute(sql`create table pair (id int primary key, n int not null)`);
    await db.execute(sql`insert into pair values (1, 0), (2, 0)`);
    let bothHaveOne = 0;
    const reached = Promise.withResolvers<void>();
    const cross = (first: number, second: number) =>
      inTransaction(db, async (tx) => {
        await tx.execute(sql`update pair set n = n + 1 where id = ${first}`);
        if (++bothHaveOne === 2) reached.resolve();
        await reached.promise;
        await tx.execute(sql`update pair set n = n + 1 where id = ${second}`);
      });
    await Promise.all([cross(1, 2), cross(2, 1)]);
    expect((await db.execute(sql`select n from pair order by id`)).rows).toEqual([{ n: 2 }, { n: 2 }]);
  });
});

describe("postgres of its own", () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const connect = async (database?: string) =>
    openPostgres(server.url(database ?? (await server.createDatabase())), { applicationName: "test" });

  test("four processes that migrate an empty database at once all end with the same one", async () => {
    const name = await server.createDatabase();
    const replicas: Database[] = await Promise.all(Array.from({ length: 4 }, () => connect(name)));
    await Promise.all(replicas.map((replica) => migrate(replica)));
    const [first] = replicas;
    const { rows } = (await first?.db.execute(
      sql`select count(*) as n, count(distinct hash) as hashes from drizzle.__drizzle_migrations`,
    )) ?? {
      rows: [],
    };
    expect(rows[0]).toEqual({ n: rows[0]?.["hashes"], hashes: rows[0]?.["n"] });
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  test("a restart is unavailable meanwhile, and everything recovers by itself", async () => {
    const database = await connect();
    await database.db.execute(sql`create table kept (n int)`);
    await database.db.execute(sql`insert into kept values (1)`);
    const controller = new AbortController();
    const events: string[] = [];
    const handlers = {
      onNotify: (payload: string) => void events.push(payload),
      onConnected: () => void events.push("connected"),
      onLost: () => void (events.at(-1) === "lost" || events.push("lost")),
    };
    const listening = database.listen(channel, handlers, controller.signal);
    await expect.poll(() => events).toEqual(["connected"]);
    const hanging = inTransaction(database.db, (tx) => tx.execute(sql`select pg_sleep(60)`));
    const cut = expect(hanging).rejects.toMatchObject({
      kind: "unavailable",
      code: "database_unavailable",
      retryAfterSeconds: 2,
    });

    await server.stop();
    await cut;
    await expect(database.ping()).rejects.toMatchObject({ code: "database_unavailable" });
    await expect(read(database.db, (db) => db.execute(sql`select 1`))).rejects.toMatchObject({
      code: "database_unavailable",
    });
    await expect(inTransaction(database.db, (tx) => tx.execute(sql`select 1`))).rejects.toMatchObject({
      code: "database_unavailable",
    });
    const log: string[] = [];
    const waiting = {
      log: { warn: (_: object, text: string) => void log.push(text) },
      timeoutMs: 1,
      signal: controller.signal,
    };
    await expect(waitForDatabase(database, waiting)).rejects.toThrow(/did not answer within/);
    const patient = waitForDatabase(database, { ...waiting, timeoutMs: 30_000 });

    await server.start();
    await patient;
    expect(log).toContain("waiting for the database");
    expect((await database.db.execute(sql`select n from kept`)).rows).toEqual([{ n: 1 }]);
    await expect.poll(() => events).toEqual(["connected", "lost", "connected"]);
    await database.db.execute(sql`select pg_notify(${channel}, 'after')`);
    await expect.poll(() => events.at(-1)).toBe("after");
    controller.abort();
    await listening;
    await database.close();
  });

  test("a pool that met a server that was away has all its connections again", async () => {
    const database = openPostgres(server.url(await server.createDatabase()), { applicationName: "test", max: 2 });
    const begin = () => inTransaction(database.db, (tx) => tx.execute(sql`select 1`));
    await begin();
    for (let round = 0; round < 3; round++) {
      await server.stop();
      await Promise.allSettled(Array.from({ length: 4 }, begin));
      await server.start();
      await vi.waitFor(begin, { timeout: 20_000 });
    }
    await Promise.all(Array.from({ length: 4 }, begin));
    await database.close();
  });

  test("a mistake in a statement is not taken for an absent database", async () => {
    const database = await connect();
    await expect(read(database.db, (db) => db.execute(sql`select nonsense`))).rejects.not.toMatchObject({
      kind: "unavailable",
    });
    await database.close();
  });
});
