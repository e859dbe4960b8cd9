// Bad input and bad luck when starting: each says what is wrong, all of it at once, and leaves nothing behind.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProcessKind, type RunningProcess, startProcess } from "@helloway/test/harness/processes";
import { refusingPort } from "@helloway/test/harness/tcp-backend";
import { processesWith } from "@helloway/test/harness/processes-of";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

let directory: string;
let dataDirectory: string;

/** Waits for half a minute, so it starts first and is looked at last. */
let withoutDatabase: RunningProcess;
let withoutDatabaseDirectory: string;
beforeAll(async () => {
  withoutDatabaseDirectory = await mkdtemp(join(tmpdir(), "helloway-start-"));
  const port = await refusingPort();
  withoutDatabase = startProcess("control", {
    HELLOWAY_DATA_DIR: withoutDatabaseDirectory,
    DATABASE_URL: `postgres://helloway@127.0.0.1:${port}/helloway`,
    HELLOWAY_SECRET_KEY: "0123456789abcdef0123456789abcdef",
    HELLOWAY_HTTP_ADDRESS: "127.0.0.1:0",
    HELLOWAY_GRPC_ADDRESS: "127.0.0.1:0",
  });
});
afterAll(async () => {
  await withoutDatabase.kill("SIGKILL");
  await rm(withoutDatabaseDirectory, { recursive: true });
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "helloway-start-"));
  dataDirectory = join(directory, "data");
});
afterEach(() => rm(directory, { recursive: true }));

/** Starts it, expects it to fail with exit code 1, and gives what it said. */
async function failure(kind: ProcessKind, env: Record<string, string>): Promise<string> {
  await using process = startProcess(kind, { HELLOWAY_DATA_DIR: dataDirectory, ...env });
  expect(await process.exited).toEqual({ code: 1, signal: null });
  expect(processesWith("HELLOWAY_DATA_DIR", dataDirectory)).toEqual([]);
  return process.stderr();
}

const badControl = { HELLOWAY_HTTP_ADDRESS: "8080", HELLOWAY_EDGE_CERT_LIFETIME: "a year", HELLOWAY_LOG_LEVEL: "loud" };
const badAgent = { HELLOWAY_EDGE_LISTEN: "127.0.0.1", HELLOWAY_DRAIN_TIMEOUT: "-1s", HELLOWAY_WORKERS: "0" };

test.each([
  ["control", badControl],
  ["agent", badAgent],
  ["dev", { ...badControl, ...badAgent }],
] as const)("helloway %s lists every problem of its environment at once and starts nothing", async (kind, env) => {
  const said = await failure(kind, { ...env, HELLOWAY_DATADIR: "x" });
  for (const name of [...Object.keys(env), "HELLOWAY_DATADIR"])
    expect(said).toMatch(new RegExp(`^  - ${name}\\b`, "m"));
  expect(said.match(/^ {2}- /gm)).toHaveLength(Object.keys(env).length + 1);
  expect(existsSync(dataDirectory)).toBe(false);
});

test("a database without the key that every replica shares is refused", async () => {
  const said = await failure("control", { DATABASE_URL: "postgres://127.0.0.1:1/helloway" });
  expect(said).toContain("HELLOWAY_SECRET_KEY is required with DATABASE_URL");
});

test.each(["control", "agent", "dev", "demo"] as const)(
  "helloway %s names a data directory that it cannot use",
  async (kind) => {
    await writeFile(join(directory, "file"), "");
    const unusable = join(directory, "file", "data");
    const said = await failure(kind, {
      HELLOWAY_DATA_DIR: unusable,
      HELLOWAY_EDGE_LISTEN: "127.0.0.1:0",
      HELLOWAY_EDGE_ADMIN: "127.0.0.1:0",
    });
    expect(said).toContain(`HELLOWAY_DATA_DIR: ${unusable} cannot be used as the data directory`);
  },
);

test.each([
  ["control", "HELLOWAY_HTTP_ADDRESS", { HELLOWAY_GRPC_ADDRESS: "127.0.0.1:0" }],
  ["control", "HELLOWAY_GRPC_ADDRESS", { HELLOWAY_HTTP_ADDRESS: "127.0.0.1:0" }],
  [
    "dev",
    "HELLOWAY_EDGE_LISTEN",
    { HELLOWAY_HTTP_ADDRESS: "127.0.0.1:0", HELLOWAY_GRPC_ADDRESS: "127.0.0.1:0", HELLOWAY_EDGE_ADMIN: "127.0.0.1:0" },
  ],
] as const)("helloway %s names the port of %s that is in use, and who holds it", async (kind, variable, env) => {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  const said = await failure(kind, { ...env, [variable]: `127.0.0.1:${port}` });
  expect(said).toContain(`127.0.0.1:${port} (${variable}) is already in use by pid ${process.pid}`);
  holder.close();
});

test("an agent without an identity and a join token says how to get one", async () => {
  const said = await failure("agent", { HELLOWAY_EDGE_LISTEN: "127.0.0.1:0", HELLOWAY_EDGE_ADMIN: "127.0.0.1:0" });
  expect(said).toMatch(/HELLOWAY_JOIN_TOKEN/);
});

test("a control plane whose database is away says that it waits, and then fails and says why", async () => {
  expect(await withoutDatabase.exited).toEqual({ code: 1, signal: null });
  const said = withoutDatabase.stderr();
  expect(said).toContain("waiting for the database");
  expect(said).toMatch(/helloway control: The database did not answer within \d+ s .*ECONNREFUSED.*Check DATABASE_URL/);
});
