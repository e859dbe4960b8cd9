import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
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
  const scratch = await mkdtemp(join(tmpdir(), "helloway-migrations-"));
  try {
    await cp(join(repository, "services/control/drizzle"), scratch, { recursive: true });
    // The kit puts "./" before whatever it is given, so the path is a relative one.
    const out = relative(join(repository, "services/control"), scratch);
    const options = [
      "--dialect",
      "postgresql",
      "--casing",
      "snake_case",
      "--schema",
      "./src/db/schema/*.ts",
      "--out",
      out,
    ];
    const output = await run("drizzle-kit", ["generate", ...options], "services/control");
    // It ends with 0 whatever happens: only these words say that there is nothing to do.
    if (output.includes("No schema changes")) return;
    throw new Error(`${output.trim()}\nthe tables have changed without a migration: see CONTRIBUTING.md`);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

interface Lockfile {
  packages: Record<string, { optionalDependencies?: Record<string, string>; integrity?: string; link?: boolean }>;
}

/**
 * Whoever installs from the lockfile uses the registry they have configured: it names none. And it is whole: a package of another
 * platform that is missing in it makes `npm ci` refuse everywhere.
 */
export async function checkLockfile(): Promise<void> {
  const text = await readFile(join(repository, "package-lock.json"), "utf8");
  const hosts = text.match(/"resolved": "[a-z+]+:.*/g) ?? [];
  if (hosts.length > 0)
    throw new Error(`package-lock.json names hosts, which .npmrc is to prevent:\n${hosts.slice(0, 5).join("\n")}`);
  const { packages } = JSON.parse(text) as Lockfile;
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined,
    ),
  );
  if (missing.length > 0)
    throw new Error(
      `package-lock.json lacks ${missing.join(", ")}: npm ci will refuse it. Choose versions of which all are published.`,
    );
}
