import { mkdir, mkdtempDisposable, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { RefusedObject } from "../relay/relay.ts";
import type { HeldTable, TableEdit } from "./held-table.ts";
import { TableStore } from "./table-store.ts";
import { writeBase } from "./table-store/base.ts";
import { encodeEdit } from "./table-store/journal.ts";
import { basePath, journalPath } from "./table-store/load.ts";
import { collectedLog } from "./test/logs.ts";
import { frozen, route, routes, shown, step, tableOf } from "./test/tables.ts";

async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtempDisposable(join(tmpdir(), "helloway-store-"));
  return { path: directory.path, [Symbol.asyncDispose]: () => directory.remove() };
}

async function load(directory: string): Promise<HeldTable | null> {
  return (await TableStore.open(directory, collectedLog().log)).table;
}

/** Opens the store, has the steps saved, and ends as a clean stop does. */
async function saving(
  directory: string,
  save: (store: TableStore, table: HeldTable | null) => Promise<void>,
): Promise<void> {
  const { store, table } = await TableStore.open(directory, collectedLog().log);
  const stop = new AbortController();
  const run = store.run(stop.signal);
  await save(store, table);
  stop.abort();
  await run;
}

const refusal: RefusedObject = {
  kind: "route",
  id: route("refused").id,
  offeredHash: route("refused", 1).hash,
  kept: route("refused", 2),
  code: "backend_not_allowed",
  detail: "port 1 is not granted",
};

test("gives back nothing where nothing was saved", async () => {
  await using directory = await scratch();
  expect(await load(join(directory.path, "table"))).toBeNull();
});

test("gives back a whole table and the steps after it, refusals and the bytes of what is served instead included", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(30));
  await saving(directory.path, async (store) => {
    store.saveWhole(table);
    await expect.poll(() => store.disk().savedRevision).toBe(1n);
    store.saveEdit(table, await step(table, { objects: [route("new"), route("route-0", 8443)] }));
    store.saveEdit(table, await step(table, { removals: [route("route-1")], refused: [refusal] }));
    await expect.poll(() => store.disk().savedRevision).toBe(3n);
  });
  expect(shown(await load(directory.path))).toEqual(shown(table));
  expect(table.version.revision).toBe(3n);
});

test("has what was queued on disk when it stops", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(3));
  await saving(directory.path, async (store) => store.saveWhole(table));
  await saving(directory.path, async (store, saved) => {
    for (let i = 0; i < 20; i++) store.saveEdit(saved!, await step(saved!, { objects: [route(`more-${i}`)] }));
  });
  expect((await load(directory.path))?.version.revision).toBe(21n);
});

test("goes on over many starts, and keeps three bases", async () => {
  await using directory = await scratch();
  const first = await tableOf(1, routes(3));
  await saving(directory.path, async (store) => store.saveWhole(first));
  for (let start = 0; start < 8; start++) {
    await saving(directory.path, async (store, saved) => {
      store.saveEdit(saved!, await step(saved!, { objects: [route(`start-${start}`)] }));
    });
  }
  const last = await load(directory.path);
  expect(last?.version.revision).toBe(9n);
  expect(last?.objects.size).toBe(11);
  expect((await readdir(directory.path)).filter((name) => name.startsWith("base-"))).toHaveLength(3);
});

/** A base, a journal of three steps, and every table that was ever the current one. */
async function savedHistory(directory: string): Promise<{ tables: HeldTable[]; recordEnds: number[] }> {
  const table = await tableOf(1, routes(5));
  const tables = [frozen(table)];
  await writeBase(basePath(directory, 1), table);
  const records: Uint8Array[] = [];
  const edits: Parameters<typeof step>[1][] = [
    { objects: [route("a")] },
    { removals: [route("route-2")], refused: [refusal] },
    { objects: [route("b"), route("a", 99)], refused: [] },
  ];
  for (const change of edits) {
    const edit: TableEdit = await step(table, change);
    records.push(encodeEdit(edit));
    tables.push(frozen(table));
  }
  await writeFile(journalPath(directory, 1), Buffer.concat(records));
  const recordEnds = [0];
  for (const record of records) recordEnds.push((recordEnds.at(-1) ?? 0) + record.length);
  return { tables, recordEnds };
}

test("a cut journal gives the table of its last whole record", async () => {
  await using directory = await scratch();
  const { tables, recordEnds } = await savedHistory(directory.path);
  const journal = await readFile(journalPath(directory.path, 1));
  const lengths = Array.from({ length: Math.ceil(journal.length / 9) }, (_, i) => i * 9);
  for (const length of [...lengths, ...recordEnds.flatMap((end) => [Math.max(0, end - 1), end])]) {
    await writeFile(journalPath(directory.path, 1), journal.subarray(0, length));
    const whole = recordEnds.filter((end) => end <= length).length - 1;
    expect(shown(await load(directory.path))).toEqual(shown(tables[whole]));
  }
});

test("a journal that is broken or zeroed from any record on gives the table before it", async () => {
  await using directory = await scratch();
  const { tables, recordEnds } = await savedHistory(directory.path);
  const journal = await readFile(journalPath(directory.path, 1));
  for (const [whole, end] of recordEnds.slice(0, -1).entries()) {
    for (const offset of [0, 3, 4, 7, 8, 9, 40]) {
      const flipped = Buffer.from(journal);
      flipped[end + offset]! ^= 0x10;
      await writeFile(journalPath(directory.path, 1), flipped);
      expect(shown(await load(directory.path))).toEqual(shown(tables[whole]));
    }
    await writeFile(journalPath(directory.path, 1), Buffer.from(journal).fill(0, end));
    expect(shown(await load(directory.path))).toEqual(shown(tables[whole]));
  }
});

test("records that are whole and belong to another table are not replayed", async () => {
  await using directory = await scratch();
  const { tables } = await savedHistory(directory.path);
  const stranger = await tableOf(1, routes(4));
  await writeFile(journalPath(directory.path, 1), encodeEdit(await step(stranger, { objects: [route("x")] })));
  expect(shown(await load(directory.path))).toEqual(shown(tables[0]));
});

test("a base cut, flipped or zeroed anywhere is never served", async () => {
  await using directory = await scratch();
  const path = basePath(directory.path, 1);
  await writeBase(path, await tableOf(1, routes(5), { refused: [refusal] }));
  const base = await readFile(path);
  for (let at = 0; at < base.length; at += 11) {
    const flipped = Buffer.from(base);
    flipped[at]! ^= 0x01;
    for (const broken of [base.subarray(0, at), flipped, Buffer.from(base).fill(0, at)]) {
      await writeFile(path, broken);
      expect(await load(directory.path)).toBeNull();
    }
  }
});

test("a base whose digest is not that of its objects is never served", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(5));
  await writeBase(basePath(directory.path, 1), { ...table, digest: (await tableOf(1, routes(4))).digest });
  expect(await load(directory.path)).toBeNull();
});

test("a broken base is bridged by the base before it and the journals since", async () => {
  await using directory = await scratch();
  const { tables } = await savedHistory(directory.path);
  const table = frozen(tables.at(-1)!);
  await writeBase(basePath(directory.path, 2), table);
  await writeFile(journalPath(directory.path, 2), encodeEdit(await step(table, { objects: [route("c")] })));
  expect(shown(await load(directory.path))).toEqual(shown(table));
  await writeFile(basePath(directory.path, 2), "not a base");
  expect(shown(await load(directory.path))).toEqual(shown(table));
});

test("removes broken bases once a good one is written", async () => {
  await using directory = await scratch();
  await savedHistory(directory.path);
  await writeFile(basePath(directory.path, 2), "not a base");
  await saving(directory.path, async (store) => {
    await expect.poll(() => store.disk().savedRevision).toBe(4n);
  });
  expect(await readdir(directory.path)).not.toContain("base-000000000002");
  expect((await load(directory.path))?.version.revision).toBe(4n);
});

test("a table of another pool leaves nothing of the one before it to fall back to", async () => {
  await using directory = await scratch();
  const before = await tableOf(7, routes(3));
  const after = await tableOf(2, routes(2), { version: { poolId: "pool-2" } });
  await saving(directory.path, async (store) => {
    store.saveWhole(before);
    await expect.poll(() => store.disk().savedRevision).toBe(7n);
    store.saveWhole(after);
    await expect.poll(() => store.disk().savedRevision).toBe(2n);
  });
  expect(shown(await load(directory.path))).toEqual(shown(after));
  expect((await readdir(directory.path)).filter((name) => name.startsWith("base-"))).toHaveLength(1);
});

test("says that the disk fails, goes on, and saves everything once it works again", async () => {
  await using scratched = await scratch();
  const directory = join(scratched.path, "table");
  const table = await tableOf(1, routes(3));
  const { log, lines } = collectedLog();
  const { store } = await TableStore.open(directory, log);
  const stop = new AbortController();
  const run = store.run(stop.signal);
  await rm(directory, { recursive: true });
  store.saveWhole(table);
  await expect.poll(() => store.disk().error).toContain("ENOENT");
  store.saveEdit(table, await step(table, { objects: [route("meanwhile")] }));
  expect(lines.filter(({ level }) => level === 50)).toHaveLength(1);
  await mkdir(directory);
  await expect.poll(() => store.disk()).toEqual({ savedRevision: 2n, error: "" });
  stop.abort();
  await run;
  expect(shown(await load(directory))).toEqual(shown(table));
});

test("says that the disk is full, and saves once there is room", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(3));
  const { store } = await TableStore.open(directory.path, collectedLog().log);
  // Whatever is written to what will be the first base's temporary file finds no room; the next base has another.
  await symlink("/dev/full", `${basePath(directory.path, 2)}.tmp`);
  const stop = new AbortController();
  const run = store.run(stop.signal);
  store.saveWhole(table);
  await expect.poll(() => store.disk().error).toContain("ENOSPC");
  await expect.poll(() => store.disk()).toEqual({ savedRevision: 1n, error: "" });
  stop.abort();
  await run;
  expect(shown(await load(directory.path))).toEqual(shown(table));
});

test("tells watchers when the state of the disk changes", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(3));
  await saving(directory.path, async (store) => {
    const seen: bigint[] = [];
    const unwatch = store.watchDisk(() => seen.push(store.disk().savedRevision));
    store.saveWhole(table);
    await expect.poll(() => seen).toEqual([1n]);
    unwatch();
    store.saveEdit(table, await step(table, { objects: [route("new")] }));
    await expect.poll(() => store.disk().savedRevision).toBe(2n);
    expect(seen).toEqual([1n]);
  });
});

test("starts a new base when the journal has outgrown it", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(3));
  await saving(directory.path, async (store) => {
    store.saveWhole(table);
    await expect.poll(() => store.disk().savedRevision).toBe(1n);
    const wide = Array.from({ length: 15_000 }, (_, i) => route(`wide-${i}`));
    store.saveEdit(table, await step(table, { objects: wide }));
    await expect.poll(() => readdir(directory.path)).toContain("base-000000000003");
  });
  expect(shown(await load(directory.path))).toEqual(shown(table));
});

test("lets others run while it saves a large table", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(20_000));
  let turns = 0;
  const saved = writeBase(basePath(directory.path, 1), table).then(() => true);
  while (!(await Promise.race([saved, nextTurn(false)]))) turns++;
  expect(turns).toBeGreaterThan(10);
});

test("a base is the table at the moment it was begun, whatever changes meanwhile", async () => {
  await using directory = await scratch();
  const table = await tableOf(1, routes(3_000));
  const before = frozen(table);
  const written = writeBase(basePath(directory.path, 1), table);
  await step(table, { objects: [route("late")], removals: [route("route-7")] });
  await written;
  expect(shown(await load(directory.path))).toEqual(shown(before));
});
