// The HTTP API as a function beside a hosted Postgres: no timer, no listener, nothing kept between two requests. Edges need the gRPC
// half, which is long-lived: `helloway control` on the same database.
import { readFile } from "node:fs/promises";
import { openPostgres } from "@helloway/control/db/postgres";
import { createSealing } from "@helloway/control/fleet/sealing";
import { createApp } from "@helloway/control/http/app";
import { readEnvironment } from "@helloway/runtime/environment";
import { secret, url } from "@helloway/runtime/environment-fields";
import { z } from "zod";

/** An instance answers few requests at a time and there may be many instances; every connection costs the database. */
const connectionsMax = 2;

const schema = z.object({
  DATABASE_URL: secret,
  HELLOWAY_SECRET_KEY: secret,
  HELLOWAY_PUBLIC_URL: url,
  HELLOWAY_GRPC_PUBLIC_ADDRESS: z.string(),
});

export interface Handler {
  /** Answers one request. */
  fetch(request: Request): Promise<Response>;
  /** Closes the connections to the database; a platform that ends the instance need not. */
  close(): Promise<void>;
}

/** The handler for an environment. Throws ConfigError with every problem of it. */
export function createHandler(env: NodeJS.ProcessEnv): Handler {
  const environment = readEnvironment(schema, env, { secrets: ["DATABASE_URL", "HELLOWAY_SECRET_KEY"] });
  const database = openPostgres(environment.DATABASE_URL, {
    applicationName: "helloway-serverless",
    max: connectionsMax,
  });
  const app = createApp({
    database,
    sealing: createSealing(environment.HELLOWAY_SECRET_KEY),
    now: () => new Date(),
    log: { error: writeError },
    publicUrl: environment.HELLOWAY_PUBLIC_URL,
    loopback: false,
    grpcPublicAddress: environment.HELLOWAY_GRPC_PUBLIC_ADDRESS,
    docsScript: () => readFile(new URL("browser/standalone.js", import.meta.resolve("@scalar/api-reference"))),
  });
  return {
    fetch: async (request) => await app.fetch(request),
    close: () => database.close(),
  };
}

/** One JSON object a line on stderr: what such platforms collect. */
function writeError(fields: object, message: string): void {
  const line = { level: "error", time: new Date().toISOString(), ...fields, msg: message };
  process.stderr.write(`${JSON.stringify(line, describeErrors)}\n`);
}

/** Errors have no fields of their own that JSON would show. */
function describeErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}
