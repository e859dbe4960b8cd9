import { spawn } from "node:child_process";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bodiesAt, hex } from "@helloway/edge/control/test/endless-history";
import { TableStore } from "@helloway/edge/control/table-store";
import { createLogger } from "@helloway/runtime/logger";
import { expect, test } from "vitest";

const script = fileURLToPath(import.meta.resolve("@helloway/edge/control/test/save-endlessly"));
const log = createLogger({ level: "silent", name: "test" });
const lanes = 2;
const killsPerLane = 25;

test("an agent that is killed at any of 50 moments of saving finds a table that was, no older than what it knew to be on disk", async () => {
  await Promise.all(Array.from({ length: lanes }, () => killRepeatedly()));
}, 120_000);

async function killRepeatedly(): Promise<void> {
  const directory = await mkdtempDisposable(`${tmpdir()}/helloway-kill-`);
  let lastKnown = 0;
  for (let kill = 0; kill < killsPerLane; kill++) {
    const { started, saved } = await saveUntilKilled(directory.path, Math.floor(Math.random() * 6));
    expect(started).toBeGreaterThanOrEqual(lastKnown);
    const { table } = await TableStore.open(directory.path, log);
    lastKnown = Number(table?.version.revision ?? 0);
    expect(lastKnown).toBeGreaterThanOrEqual(saved);
    if (table === null) continue;
    const bodies = new Map([...table.objects].map(([key, { body }]) => [key, hex(body)]));
    expect(bodies).toEqual(bodiesAt(lastKnown));
  }
  expect(lastKnown).toBeGreaterThan(killsPerLane);
  await directory.remove();
}

/** @param announcements after how many the child is killed; then some turns of the loop later, so that it is anywhere in its work. */
async function saveUntilKilled(directory: string, announcements: number): Promise<{ started: number; saved: number }> {
  const child = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let started = 0;
  let saved = 0;
  let seen = 0;
  for await (const line of createInterface(child.stdout)) {
    const [what, revision] = line.split(" ");
    if (what === "started") started = Number(revision);
    else saved = Math.max(saved, Number(revision));
    if (seen++ < announcements) continue;
    for (let turns = Math.floor(Math.random() * 2_000); turns > 0; turns--) await nextTurn();
    child.kill("SIGKILL");
  }
  await ended;
  return { started, saved };
}
