// The thread of the embedded database: one PGlite, one request after the other. On the main thread a query would stop every
// connection and timer for as long as it takes.
import { parentPort, workerData } from "node:worker_threads";
import { PGlite, types } from "@electric-sql/pglite";
import type { EmbeddedFailure, EmbeddedReply, EmbeddedRequest, EmbeddedRows } from "./embedded-protocol.ts";
import { seedDirectory } from "./embedded-seed.ts";

// Times as text and numbers as numbers, exactly what openPostgres makes of them: the columns of the schema do the rest.
const asText = (value: string) => value;
const parsers = {
  [types.TIMESTAMP]: asText,
  [types.TIMESTAMPTZ]: asText,
  [types.DATE]: asText,
  [types.INTERVAL]: asText,
  [types.INT8]: Number,
};

async function main(): Promise<void> {
  if (parentPort === null) throw new Error("embedded-worker.ts runs as a worker thread only.");
  const port = parentPort;
  const { directory } = workerData as { directory: string };
  const send = (reply: EmbeddedReply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);

  await seedDirectory(directory);
  const pglite = await PGlite.create({ dataDir: directory, parsers });
  pglite.onNotification((channel, payload) => send({ type: "notification", channel, payload }));

  const answer = async (request: EmbeddedRequest): Promise<void> => {
    try {
      const result = await run(pglite, request);
      send({ type: "result", id: request.id, result }, buffersOf(result.rows));
    } catch (error) {
      send({ type: "failure", id: request.id, failure: describe(error) });
    }
    if (request.op === "close") port.close();
  };
  let last = Promise.resolve();
  port.on("message", (request: EmbeddedRequest) => {
    last = last.then(() => answer(request));
  });
  send({ type: "ready" });
}

async function run(pglite: PGlite, request: EmbeddedRequest): Promise<EmbeddedRows> {
  switch (request.op) {
    case "query": {
      const { params, rowMode } = request;
      // As pg does: without parameters the simple protocol, one step instead of five, and several statements may go at once.
      const result =
        params.length === 0
          ? (await pglite.exec(request.sql, { rowMode })).at(-1)
          : await pglite.query(request.sql, params, { rowMode });
      return { rows: result?.rows ?? [], affectedRows: result?.affectedRows ?? 0 };
    }
    case "exec":
      await pglite.exec(request.sql);
      return { rows: [], affectedRows: 0 };
    case "close":
      await pglite.close();
      return { rows: [], affectedRows: 0 };
  }
}

/** Bytes move to the other thread instead of being copied. PGlite gives each value a buffer of its own. */
function buffersOf(rows: readonly unknown[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const row of rows) {
    for (const value of Object.values(row as Record<string, unknown>)) {
      if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer)) continue;
      if (value.byteLength === value.buffer.byteLength) buffers.add(value.buffer);
    }
  }
  return [...buffers];
}

function describe(error: unknown): EmbeddedFailure {
  if (!(error instanceof Error)) return { message: String(error) };
  const { message, code, detail, constraint } = error as Error & Partial<EmbeddedFailure>;
  return { message, code, detail, constraint };
}

await main();
