import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Worker } from "node:worker_threads";
import { createEmbeddedDirectory } from "@helloway/test/harness/test-database";
import { sql } from "drizzle-orm";
import { beforeAll, afterAll, describe, expect, test } from "vitest";
import { openEmbedded } from "./embedded.ts";
import { seedArchivePath } from "./embedded-seed.ts";
import { migrate } from "./migrate.ts";
import { inTransaction } from "./transaction.ts";

describe("embedded", () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), "hw-embedded-"));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test("the archive of an empty database is of the installed version", async () => {
    const archive = await seedArchivePath();
    const archives = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".tar.zst"));
    expect(archives, "run `node services/control/tools/make-embedded-seed.ts` and delete the old archive").toEqual([
      path.basename(archive),
    ]);
  });

  test("a new directory becomes a database, whatever a killed start left", async () => {
    const directory = path.join(root, "fresh");
    await rm(`${directory}.partial`, { recursive: true, force: true });
    await writeFile(`${directory}.partial`, "half");
    const database = await openEmbedded(directory);
    await migrate(database);
    await database.close();
    expect(await readdir(root)).toEqual(["fresh"]);
  });

  test("a restart keeps the data", async () => {
    await using directory = await createEmbeddedDirectory();
    const first = await openEmbedded(directory.path);
    await first.db.execute(sql`create table kept as select 1 as n`);
    await first.close();
    const second = await openEmbedded(directory.path);
    expect((await second.db.execute(sql`select n from kept`)).rows).toEqual([{ n: 1 }]);
    await second.close();
  });

  test("closing waits for what was asked before, and refuses what comes after", async () => {
    await using directory = await createEmbeddedDirectory();
    const database = await openEmbedded(directory.path);
    const writing = inTransaction(database.db, async (tx) => {
      await tx.execute(sql`create table last as select 1 as n`);
    });
    await database.close();
    await writing;
    await expect(database.ping()).rejects.toMatchObject({ code: "database_unavailable" });
    await database.close();
  });

  test("what it committed outlives a process that is killed while it writes", async () => {
    await using directory = await createEmbeddedDirectory();
    for (let round = 0; round < 2; round++) {
      const child = fork(path.join(import.meta.dirname, "embedded-writer.fixture.ts"), [directory.path], {
        execArgv: [],
      });
      let committed = -1;
      child.on("message", (n: number) => {
        committed = n;
        if (n >= 20 * (round + 1)) child.kill("SIGKILL");
      });
      await once(child, "exit");
      const database = await openEmbedded(directory.path);
      const { rows } = await database.db.execute<{ n: number; last: number }>(
        sql`select count(*) as n, max(n) as last from written`,
      );
      expect(rows[0]?.last).toBeGreaterThanOrEqual(committed);
      // Each transaction wrote two rows.
      expect(rows[0]?.n).toBe(2 * ((rows[0]?.last ?? 0) + 1));
      await database.close();
    }
  });

  test("a directory that cannot be opened is an error that says so", async () => {
    await using directory = await createEmbeddedDirectory();
    await writeFile(path.join(directory.path, "PG_VERSION"), "no version");
    await expect(openEmbedded(directory.path)).rejects.toThrow(/cannot be opened/);
  });

  test("a thread that dies fails what waits for it and tells main", async () => {
    await using directory = await createEmbeddedDirectory();
    const started = Promise.withResolvers<Worker>();
    process.once("worker", started.resolve);
    const database = await openEmbedded(directory.path);
    const told = expect(database.failed).rejects.toThrow(/ended unexpectedly/);
    const waiting = expect(database.db.execute(sql`select pg_sleep(60)`)).rejects.toThrow();
    await (await started.promise).terminate();
    await Promise.all([told, waiting]);
    await expect(database.ping()).rejects.toMatchObject({ code: "database_unavailable" });
  });
});
