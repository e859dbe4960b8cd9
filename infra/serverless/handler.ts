// The HTTP API as a function: one exported fetch(Request): Promise<Response>, for platforms that run Node functions beside a hosted
// Postgres. Edges need the gRPC half, which is long-lived: `helloway control` on the same database.
import { readFile } from "node:fs/promises";
import { openPostgres } from "@helloway/control/db/postgres";
import { createSealing } from "@helloway/control/fleet/sealing";
import { createApp } from "@helloway/control/http/app";
import { readEnvironment } from "@helloway/runtime/environment";
import { secret, url } from "@helloway/runtime/environment-fields";
import { z } from "zod";

/** An instance answers few requests at a time and there may be many instances; every connection costs the database. */
const connectionsMax = 2;

const environment = readEnvironment(
  z.object({
    DATABASE_URL: secret,
    HELLOWAY_SECRET_KEY: secret,
    HELLOWAY_PUBLIC_URL: url,
    HELLOWAY_GRPC_PUBLIC_ADDRESS: z.string(),
  }),
  process.env,
  { secrets: ["DATABASE_URL", "HELLOWAY_SECRET_KEY"] },
);

const write = (level: string) => (fields: object, message: string) => {
  console.error(JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg: message }, describeErrors));
};

/** Errors have no fields of their own that JSON would show. */
function describeErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}

const app = createApp({
  database: openPostgres(environment.DATABASE_URL, { applicationName: "helloway-serverless", max: connectionsMax }),
  sealing: createSealing(environment.HELLOWAY_SECRET_KEY),
  now: () => new Date(),
  log: { info: write("info"), error: write("error") },
  publicUrl: environment.HELLOWAY_PUBLIC_URL,
  loopback: false,
  grpcPublicAddress: environment.HELLOWAY_GRPC_PUBLIC_ADDRESS,
  docsScript: () => readFile(new URL("browser/standalone.js", import.meta.resolve("@scalar/api-reference"))),
});

/** Answers one request. */
export async function fetch(request: Request): Promise<Response> {
  return await app.fetch(request);
}
