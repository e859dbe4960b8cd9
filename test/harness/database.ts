import { openEmbedded } from "@helloway/control/db/embedded";
import { openPostgres } from "@helloway/control/db/postgres";
import type { Database } from "@helloway/control/db/database";
import { afterAll, describe } from "vitest";
import { createDatabaseUrl, createEmbeddedDirectory } from "./test-database.ts";

/** Opens a migrated, empty database of its own; it is closed and removed after the tests around it. */
export type OpenDatabase = () => Promise<Database>;

const kinds = ["embedded", "postgres"] as const;

/** Declares the tests twice: on the embedded database and on Postgres. */
export function eachDatabase(declare: (open: OpenDatabase, kind: Database["kind"]) => void): void {
  for (const kind of kinds) {
    describe(kind, () => {
      declare(opener(kind), kind);
    });
  }
}

/** For tests that only a Postgres can pass: several sessions at once, the network, the server's restart. */
export function onPostgres(declare: (open: OpenDatabase) => void): void {
  describe("postgres", () => {
    declare(opener("postgres"));
  });
}

function opener(kind: Database["kind"]): OpenDatabase {
  const opened = new AsyncDisposableStack();
  afterAll(() => opened.disposeAsync());
  return async () => {
    if (kind === "postgres") {
      const database = openPostgres(await createDatabaseUrl(), { applicationName: "test", max: 20 });
      opened.defer(() => database.close());
      return database;
    }
    const directory = opened.use(await createEmbeddedDirectory());
    const database = await openEmbedded(directory.path);
    opened.defer(() => database.close());
    return database;
  };
}
