// A real Postgres for tests: on a Unix socket in a temporary directory, without durability, gone with whoever started it.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { postgresBinaries } from "./postgres-binaries.ts";

export interface Postgres extends AsyncDisposable {
  /** The URL of one of its databases. */
  url(database: string): string;
  /** Makes a database, as a copy of the template when one is given; its name. */
  createDatabase(template?: string): Promise<string>;
  /** Ends it at once, connections included, and keeps the data: what a crashed machine looks like from outside. */
  stop(): Promise<void>;
  /** Starts it again. */
  start(): Promise<void>;
}

const startTimeoutMs = 30_000;
const user = "postgres";

const settings = {
  listen_addresses: "",
  max_connections: "200",
  shared_buffers: "64MB",
  fsync: "off",
  full_page_writes: "off",
  log_min_messages: "warning",
};

/**
 * Keeps Postgres running until its standard input ends, and it ends with the process that started it, however that died. A line "keep"
 * instead ends Postgres alone; else the directory goes too.
 */
const supervisor = `
  bin=$1; root=$2; shift 2
  "$bin/postgres" -D "$root/data" -k "$root" "$@" </dev/null >>"$root/log" 2>&1 &
  read -r word || word=remove
  kill -QUIT $!
  wait $!
  if [ "$word" = remove ]; then rm -rf "$root"; fi
`;

/** Starts a new, empty Postgres. As root it runs as nobody, for Postgres refuses root. */
export async function startPostgres(): Promise<Postgres> {
  const root = mkdtempSync(path.join(tmpdir(), "hw-pg-"));
  const owner = process.getuid?.() === 0 ? nobody() : null;
  if (owner !== null) chownSync(root, owner.uid, owner.gid);
  const as = { ...owner, cwd: root };
  const bin = postgresBinaries(root, owner);
  await promisify(execFile)(
    path.join(bin, "initdb"),
    ["-D", path.join(root, "data"), "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    as,
  );
  const url = (database: string) => `postgres://${user}@/${database}?host=${encodeURIComponent(root)}`;
  let running: ChildProcess | null = null;

  const start = async () => {
    if (running !== null) return;
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    running = spawn("/bin/sh", ["-c", supervisor, "sh", bin, root, ...flags], {
      ...as,
      stdio: ["pipe", "ignore", "inherit"],
      // A session of its own: Ctrl-C reaches the tests, which then have a database to the end.
      detached: true,
    });
    running.stdin?.on("error", () => {});
    await answering(url("postgres"), path.join(root, "log"));
  };
  const end = async (word: "keep" | "remove") => {
    if (running === null) return;
    const exited = once(running, "exit");
    running.stdin?.end(word === "keep" ? "keep\n" : "");
    running = null;
    await exited;
  };
  await start();
  return {
    url,
    start,
    stop: () => end("keep"),
    async createDatabase(template) {
      const name = `test_${randomUUID().replaceAll("-", "")}`;
      await withClient(url("postgres"), (client) =>
        client.query(`create database ${name}${template === undefined ? "" : ` template ${template}`}`),
      );
      return name;
    },
    async [Symbol.asyncDispose]() {
      // One that is stopped has nobody left to remove its directory.
      await start();
      await end("remove");
    },
  };
}

/** Makes a database of a Postgres that another process started; its URL. */
export async function createDatabaseAt(urlOfServer: string, template: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await withClient(urlOfServer, (client) => client.query(`create database ${name} template ${template}`));
  return urlOfServer.replace(/\/postgres\?/, `/${name}?`);
}

async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(url);
  client.on("error", () => {});
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function answering(url: string, log: string): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      return await withClient(url, (client) => client.query("select 1"));
    } catch (cause) {
      if (performance.now() > deadline)
        throw new Error(`Postgres did not start:\n${readFileSync(log, "utf8")}`, { cause });
      await sleep(50);
    }
  }
}

function nobody(): { uid: number; gid: number } {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((one) => one.startsWith("nobody:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) };
}
