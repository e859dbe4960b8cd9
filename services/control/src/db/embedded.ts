import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Worker } from "node:worker_threads";
import type { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { EmbeddedDatabaseError } from "./connection-loss.ts";
import type { Database, Db, ListenHandlers } from "./database.ts";
import { EmbeddedClient } from "./embedded-client.ts";
import { read } from "./read.ts";

/**
 * Opens the embedded Postgres (PGlite) of a directory in a thread of its own, making it when there is none. Takes no lock: the caller
 * holds the data directory's, for two processes on one directory lose each other's writes.
 */
export async function openEmbedded(directory: string): Promise<Database> {
  const absolute = path.resolve(directory);
  await mkdir(path.dirname(absolute), { recursive: true, mode: 0o700 });
  // Without this the thread would inherit --test, --watch and the like, and the secrets that the environment may hold.
  const worker = new Worker(new URL("embedded-worker.ts", import.meta.url), {
    workerData: { directory: absolute },
    execArgv: [],
    env: { TZ: "UTC" },
    name: "embedded-database",
  });
  const client = new EmbeddedClient(worker);
  let state: "opening" | "open" | "closing" = "opening";
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // Awaited by main when it cares; unhandled it must not end a process that is closing or a test.
  failed.catch(() => {});
  const die = (cause: unknown) => {
    const failure = new EmbeddedDatabaseError(messages[state](absolute, cause), { cause });
    client.fail(failure);
    if (state !== "closing") fail(failure);
  };
  worker.on("error", die);
  worker.on("exit", (code) => die(new Error(`The database's thread exited with code ${code}.`)));
  await Promise.race([once(worker, "message"), failed]);
  state = "open";

  // The session of drizzle calls query, exec and transaction of its client and nothing else, which EmbeddedClient has.
  const db = drizzle(client as unknown as PGlite, { casing: "snake_case" }) as unknown as Db;
  return {
    kind: "embedded",
    db,
    failed,
    listen: (channel, handlers, signal) => listen(client, failed, channel, handlers, signal),
    ping: () => read(db, async () => void (await client.query("select 1"))),
    async close() {
      if (state === "closing") return;
      state = "closing";
      const exited = once(worker, "exit");
      await client.close().catch(() => worker.terminate());
      await exited;
    },
  };
}

const messages = {
  opening: (directory: string, cause: unknown) =>
    `The embedded database in ${directory} cannot be opened (${cause instanceof Error ? cause.message : String(cause)}). ` +
    "It was made by another version, or is damaged: start the version that made it, or move the directory away to begin anew.",
  open: (directory: string) =>
    `The embedded database in ${directory} ended unexpectedly. Start the process again; its data is kept.`,
  closing: () => "The embedded database is closed.",
};

/** The embedded database loses no connection: connected once, until the signal or its end. */
async function listen(
  client: EmbeddedClient,
  failed: Promise<never>,
  channel: string,
  handlers: ListenHandlers,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const stop = await client.listen(channel, (payload) => handlers.onNotify(payload));
  try {
    handlers.onConnected();
    const aborted = signal.aborted ? undefined : once(signal, "abort");
    await Promise.race([aborted, failed]);
  } finally {
    stop();
  }
}
