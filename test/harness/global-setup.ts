// Once a run: a Postgres with a migrated template database, and a migrated embedded one. Test files clone them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openEmbedded } from "@helloway/control/db/embedded";
import { migrate } from "@helloway/control/db/migrate";
import { openPostgres } from "@helloway/control/db/postgres";
import type { TestProject } from "vitest/node";
import { startPostgres } from "./postgres.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The URL of the server's own database. */
    postgresUrl: string;
    /** A migrated database of that server. */
    postgresTemplate: string;
    /** The directory of a migrated, closed embedded database. */
    embeddedTemplate: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), "hw-embedded-"));
  const [postgres] = await Promise.all([
    preparePostgres(project),
    prepareEmbedded(project, path.join(directory, "database")),
  ]);
  return async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  };
}

async function preparePostgres(project: TestProject) {
  const postgres = await startPostgres();
  const template = await postgres.createDatabase();
  const database = openPostgres(postgres.url(template), { applicationName: "template" });
  await migrate(database);
  await database.close();
  project.provide("postgresUrl", postgres.url("postgres"));
  project.provide("postgresTemplate", template);
  return postgres;
}

async function prepareEmbedded(project: TestProject, directory: string): Promise<void> {
  const database = await openEmbedded(directory);
  await migrate(database);
  await database.close();
  project.provide("embeddedTemplate", directory);
}
