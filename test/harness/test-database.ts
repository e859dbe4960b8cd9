import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject } from "vitest";
import { createDatabaseAt } from "./postgres.ts";

/** A migrated, empty database of the run's Postgres, this test's alone; its URL. It goes with the run. */
export async function createDatabaseUrl(): Promise<string> {
  return await createDatabaseAt(inject("postgresUrl"), inject("postgresTemplate"));
}

export interface EmbeddedDirectory extends AsyncDisposable {
  path: string;
}

/** The directory of a migrated, empty embedded database, this test's alone. */
export async function createEmbeddedDirectory(): Promise<EmbeddedDirectory> {
  const parent = await mkdtemp(path.join(tmpdir(), "hw-embedded-"));
  const directory = path.join(parent, "database");
  await cp(inject("embeddedTemplate"), directory, { recursive: true });
  return { path: directory, [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }) };
}
