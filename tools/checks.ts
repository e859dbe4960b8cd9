import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findDrift, generateFiles } from "./generated-files.ts";
import { repository } from "./repository.ts";
import { run } from "./run.ts";

/** What is generated and checked in is what would be generated now. */
export async function checkGenerated(): Promise<void> {
  const drift = await findDrift(await generateFiles());
  if (drift.length > 0) throw new Error([...drift, "run `npm run generate` and commit what it writes"].join("\n"));
}

/** The migrations make the tables that the code describes: the kit, asked for one more, finds nothing to write. */
export async function checkMigrations(): Promise<void> {
  const migrations = join(repository, "services/control/drizzle");
  const scratch = await mkdtemp(join(tmpdir(), "helloway-migrations-"));
  try {
    await cp(migrations, scratch, { recursive: true });
    const before = await readdir(scratch);
    const output = await run(
      "drizzle-kit",
      [
        "generate",
        "--dialect",
        "postgresql",
        "--casing",
        "snake_case",
        "--schema",
        "./src/db/schema/*.ts",
        "--out",
        scratch,
      ],
      "services/control",
    );
    const added = (await readdir(scratch)).filter((name) => !before.includes(name));
    if (added.length === 0) return;
    const sql = await Promise.all(added.map((name) => readFile(join(scratch, name), "utf8")));
    throw new Error(
      [output.trim(), ...sql, "the tables have changed without a migration: see CONTRIBUTING.md"].join("\n"),
    );
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Whoever installs from the lockfile uses the registry they have configured: it names none. */
export async function checkLockfile(): Promise<void> {
  const lockfile = await readFile(join(repository, "package-lock.json"), "utf8");
  const hosts = lockfile.match(/"resolved": "[a-z+]+:.*/g) ?? [];
  if (hosts.length > 0)
    throw new Error(`package-lock.json names hosts, which .npmrc is to prevent:\n${hosts.slice(0, 5).join("\n")}`);
}
