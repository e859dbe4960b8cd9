import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const repository = fileURLToPath(new URL("../", import.meta.url));

/** A file, a line that crosses a layer there, and what crosses it. */
const crossings: [file: string, line: string, crossing: string][] = [
  ["services/control/src/http/a.ts", `import { eq } from "drizzle-orm"; eq;`, "SQL in http/"],
  ["services/control/src/http/b.ts", `import pg from "pg"; pg;`, "a database client in http/"],
  ["services/control/src/http/c.ts", `import { routes } from "../db/schema/routes.ts"; routes;`, "tables in http/"],
  [
    "services/control/src/http/d.ts",
    `import { inTransaction } from "../db/transaction.ts"; inTransaction;`,
    "transactions in http/",
  ],
  ["services/control/src/http/e.ts", `import { readFileSync } from "node:fs"; readFileSync;`, "files in http/"],
  [
    "services/control/src/http/f.ts",
    `import type { Route } from "@helloway/proto/table"; export type R = Route;`,
    "proto types in http/",
  ],
  ["services/control/src/http/g.ts", `import { startGrpc } from "../grpc/server.ts"; startGrpc;`, "grpc/ in http/"],
  ["services/control/src/http/h.ts", `import { runControl } from "../main.ts"; runControl;`, "main in http/"],
  [
    "services/control/src/http/deep/i.ts",
    `import { routes } from "../../db/schema/routes.ts"; routes;`,
    "tables below http/",
  ],
  ["services/control/src/grpc/a.ts", `import { eq } from "drizzle-orm"; eq;`, "SQL in grpc/"],
  ["services/control/src/grpc/b.ts", `import { createApp } from "../http/app.ts"; createApp;`, "http/ in grpc/"],
  ["services/control/src/fleet/a.ts", `import { connect } from "node:net"; connect;`, "sockets in fleet/"],
  ["services/control/src/fleet/b.ts", `import { Worker } from "node:worker_threads"; Worker;`, "threads in fleet/"],
  [
    "services/control/src/fleet/c.ts",
    `import type { Route } from "@helloway/proto/table"; export type R = Route;`,
    "proto types in fleet/",
  ],
  [
    "services/control/src/fleet/d.ts",
    `import { createApp } from "../http/app.ts"; createApp;`,
    "a transport in fleet/",
  ],
  ["services/control/src/db/a.ts", `import { putRoute } from "../fleet/routes.ts"; putRoute;`, "verbs in db/"],
  ["agents/routing/src/a.ts", `import { createHash } from "node:crypto"; createHash;`, "Node in agents/routing"],
  [
    "agents/routing/src/b.ts",
    `import { parseSpec } from "@helloway/control/fleet/specs"; parseSpec;`,
    "services in agents/routing",
  ],
  [
    "agents/edge/src/relay/a.ts",
    `import { runClient } from "../control/client.ts"; runClient;`,
    "the control side in relay/",
  ],
  ["agents/edge/src/relay/b.ts", `import grpc from "@grpc/grpc-js"; grpc;`, "RPC in relay/"],
  [
    "agents/edge/src/control/a.ts",
    `import { createServer } from "node:net"; createServer;`,
    "a traffic socket in control/",
  ],
  [
    "agents/edge/src/control/b.ts",
    `import { createRelay } from "../relay/create-relay.ts"; createRelay;`,
    "an engine in control/",
  ],
  [
    "agents/edge/src/control/c.ts",
    `import { Table } from "../relay/table/table.ts"; Table;`,
    "an engine's inside in control/",
  ],
  [
    "services/control/src/fleet/e.ts",
    `export const url = process.env["DATABASE_URL"];`,
    "the environment outside main",
  ],
  [
    "agents/edge/src/relay/c.ts",
    `export const level = process.env["HELLOWAY_LOG_LEVEL"];`,
    "the environment in relay/",
  ],
];

/** The same kind of line where it is right. */
const allowed: [file: string, line: string, what: string][] = [
  [
    "services/control/src/http/ok-a.ts",
    `import type { Db } from "../db/database.ts"; export type D = Db;`,
    "types of the database in http/",
  ],
  [
    "services/control/src/http/ok-b.ts",
    `import { createHash } from "node:crypto"; export const c = createHash;`,
    "hashing in http/",
  ],
  ["services/control/src/fleet/ok-a.ts", `import { eq } from "drizzle-orm"; export const e = eq;`, "SQL in fleet/"],
  [
    "services/control/src/fleet/encode-object.ts",
    `import type { Route } from "@helloway/proto/table"; export type R = Route;`,
    "proto types where objects are encoded",
  ],
  [
    "services/control/src/grpc/ok-a.ts",
    `import type { Route } from "@helloway/proto/table"; export type R = Route;`,
    "proto types in grpc/",
  ],
  [
    "agents/edge/src/control/ok-a.ts",
    `import type { Relay } from "../relay/relay.ts"; export type R = Relay;`,
    "the seam in control/",
  ],
  [
    "agents/edge/src/main.ts",
    `import { createRelay } from "./relay/create-relay.ts"; export const r = createRelay; export const e = process.env["HOME"];`,
    "an engine and the environment in main",
  ],
];

let directory: string;
const refusals = new Map<string, string[]>();

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "helloway-layers-"));
  for (const [file, line] of [...crossings, ...allowed]) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), `${line}\n`);
  }
  // Not type-aware: the layers are a matter of names, and the files that the snippets import do not exist here.
  const config: object = JSON.parse(readFileSync(join(repository, ".oxlintrc.json"), "utf8"));
  writeFileSync(join(directory, ".oxlintrc.json"), JSON.stringify({ ...config, options: {} }));
  const run = spawnSync(join(repository, "node_modules/.bin/oxlint"), ["-f", "unix"], {
    cwd: directory,
    encoding: "utf8",
  });
  for (const [, file, rule] of run.stdout.matchAll(
    /^(\S+?):\d+:\d+: .*\[Error\/\S*?\((no-restricted-imports|no-process-env)\)\]$/gm,
  )) {
    refusals.set(file ?? "", [...(refusals.get(file ?? "") ?? []), rule ?? ""]);
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("a layer that is crossed fails the lint:", () => {
  test.each(crossings)("%s: %s (%s)", (file) => {
    expect(refusals.get(file)).toHaveLength(1);
  });
});

describe("what a layer may use passes:", () => {
  test.each(allowed)("%s: %s (%s)", (file) => {
    expect(refusals.get(file)).toBeUndefined();
  });
});
