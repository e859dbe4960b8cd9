// The control plane as one process: its configuration, its data directory, its database. What stands on the database is
// serve-control.ts, loaded while the embedded one opens in its thread, for either takes most of a second.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { prepareDataDirectory } from "@helloway/runtime/data-directory";
import { lockDirectory } from "@helloway/runtime/directory-lock";
import { createLogger } from "@helloway/runtime/logger";
import { ToldError } from "@helloway/runtime/told-error";
import { type ControlConfig, readControlConfig } from "./config.ts";
import type { Database } from "./db/database.ts";
import { openEmbedded } from "./db/embedded.ts";
import { HellowayError } from "./errors.ts";
import { createSealing } from "./fleet/sealing.ts";
import { readOrMakeSecretKey } from "./secret-key-file.ts";

/**
 * Runs the control plane until the signal aborts. Throws ConfigError (nothing was started), ToldError, or whatever ended it.
 * Announces `{ http, grpc }`, each "address:port" as bound.
 */
export async function runControl(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  try {
    await run(readControlConfig(env), signal);
  } catch (error) {
    // Whatever was cut off by the signal ended as it was asked to.
    if (signal.aborted) return;
    if (error instanceof HellowayError) throw new ToldError(error.message, { cause: error });
    throw error;
  }
}

async function run(config: ControlConfig, signal: AbortSignal): Promise<void> {
  const dataDirectory = await prepareDataDirectory(config.dataDirectory);
  await using _lock = await lockDirectory(dataDirectory, "control");
  const log = createLogger({ name: "control", ...config.log });
  const embeddedDirectory = join(dataDirectory, "database");
  const sealing = createSealing(
    config.secretKey ?? (await readOrMakeSecretKey(dataDirectory, { databaseExists: existsSync(embeddedDirectory) })),
  );
  const [opened, { serveControl }] = await Promise.all([
    openDatabase(config, embeddedDirectory),
    import("./serve-control.ts"),
  ]);
  await using stack = new AsyncDisposableStack();
  const database = stack.adopt(opened, (open) => open.close());
  await serveControl({ config, dataDirectory, database, sealing, log }, signal);
}

async function openDatabase(config: ControlConfig, embeddedDirectory: string): Promise<Database> {
  if (config.databaseUrl === null) return await openEmbedded(embeddedDirectory);
  const { openPostgres } = await import("./db/postgres.ts");
  return openPostgres(config.databaseUrl, { applicationName: "helloway-control" });
}
