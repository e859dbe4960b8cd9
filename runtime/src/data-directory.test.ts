import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepareDataDirectory } from "./data-directory.ts";
import { ConfigError } from "./environment.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "helloway-data-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("makes the directory, parents included, for its owner only", async () => {
  const made = await prepareDataDirectory(join(directory, "a/b"));
  expect(statSync(made).mode & 0o777).toBe(0o700);
});

test("closes a directory that was open to others", async () => {
  chmodSync(directory, 0o755);
  await prepareDataDirectory(directory);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

test("says which directory cannot be used and why", async () => {
  const file = join(directory, "file");
  writeFileSync(file, "");
  const refused = prepareDataDirectory(join(file, "data"));
  await expect(refused).rejects.toBeInstanceOf(ConfigError);
  await expect(refused).rejects.toThrow(
    /HELLOWAY_DATA_DIR: .*file\/data cannot be used as the data directory: ENOTDIR/,
  );
});
