import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DirectoryInUseError, lockDirectory } from "./directory-lock.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "helloway-lock-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("a held directory is refused with the holder's pid, and is free once released", async () => {
  const lock = await lockDirectory(directory, "dev");
  const refused = await lockDirectory(directory, "dev").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DirectoryInUseError);
  expect(refused).toMatchObject({ pid: process.pid, directory });
  lock.release();
  await using again = await lockDirectory(directory, "dev");
  expect(again).toBeDefined();
});

test("locks of different names do not meet", async () => {
  await using control = await lockDirectory(directory, "control");
  await using edge = await lockDirectory(directory, "edge");
  expect([control, edge]).toHaveLength(2);
});

test("leaves no pid behind", async () => {
  (await lockDirectory(directory, "dev")).release();
  expect(existsSync(join(directory, "dev.pid"))).toBe(false);
});

test("a lock ends with its process, killed or not", async () => {
  const module = new URL("./directory-lock.ts", import.meta.url).href;
  const script = `const { lockDirectory } = await import(${JSON.stringify(module)}); await lockDirectory(process.argv[1], "dev"); process.send("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script, directory], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(holder, "message");
  await expect(lockDirectory(directory, "dev")).rejects.toMatchObject({ pid: holder.pid });
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await using lock = await lockDirectory(directory, "dev");
  expect(lock).toBeDefined();
});
