import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { writeSecretFile } from "./secret-file.ts";
import { readOrMakeSecretKey } from "./secret-key-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hw-secret-"));
  const mine = directory;
  onTestFinished(() => rm(mine, { recursive: true, force: true }));
});

test("a secret is readable by its owner only and never overwritten", async () => {
  const path = join(directory, "secret");
  await writeSecretFile(path, "first");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await expect(writeSecretFile(path, "second")).rejects.toMatchObject({ code: "EEXIST" });
  expect(await readFile(path, "utf8")).toBe("first");
  expect(await readdir(directory)).toEqual(["secret"]);
});

test("the secret key is made once and found again", async () => {
  const key = await readOrMakeSecretKey(directory, { databaseExists: false });
  expect(key).toMatch(/^[\w-]{43}$/);
  expect(await readOrMakeSecretKey(directory, { databaseExists: true })).toBe(key);
});

test("a database without its key is not given another one", async () => {
  await expect(readOrMakeSecretKey(directory, { databaseExists: true })).rejects.toThrow("put the file back");
  expect(await readdir(directory)).toEqual([]);
});
