// Saves one revision after the other into the directory of its first argument until it is killed; says on standard output which
// revision it started from and which are on disk.
import { setImmediate as nextTurn } from "node:timers/promises";
import { createLogger } from "@helloway/runtime/logger";
import { TableStore } from "../table-store.ts";
import { changeOf, firstObjects, firstRevision, wholeEvery } from "./endless-history.ts";
import { step, tableOf } from "./tables.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error("the directory is missing");
const { store, table: saved } = await TableStore.open(directory, createLogger({ level: "warn", name: "child" }));
const table = saved ?? (await tableOf(firstRevision, firstObjects()));
process.stdout.write(`started ${table.version.revision}\n`);
store.watchDisk(() => process.stdout.write(`saved ${store.disk().savedRevision}\n`));
const never = new AbortController();
const run = store.run(never.signal);
if (saved === null) store.saveWhole(table);
for (;;) {
  const edit = await step(table, changeOf(Number(table.version.revision) + 1));
  if (table.version.revision % BigInt(wholeEvery) === 0n) store.saveWhole(table);
  else store.saveEdit(table, edit);
  await Promise.race([nextTurn(), run]);
}
