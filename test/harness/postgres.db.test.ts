import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";

test("a Postgres for tests is gone with the run, however the run died", async () => {
  const child = fork(path.join(import.meta.dirname, "postgres-owner.fixture.ts"), { execArgv: [] });
  const [directory] = (await once(child, "message")) as [string];
  expect(existsSync(path.join(directory, "data/postmaster.pid"))).toBe(true);
  child.kill("SIGKILL");
  await vi.waitFor(() => expect(existsSync(directory)).toBe(false), { timeout: 20_000 });
});
