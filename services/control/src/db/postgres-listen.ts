import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { ListenHandlers } from "./database.ts";

const firstDelayMs = 100;
const delayMaxMs = 5_000;
/** A connection that is gone without a word is noticed within this and the query timeout. */
const probeIntervalMs = 15_000;

/** Listens on a connection of its own until the signal aborts; after a loss again, with growing, jittered delays. */
export async function listenPostgres(
  connection: pg.ClientConfig,
  channel: string,
  handlers: ListenHandlers,
  signal: AbortSignal,
): Promise<void> {
  let delayMs = firstDelayMs;
  while (!signal.aborted) {
    try {
      await listenOnce(connection, channel, handlers, signal, () => {
        delayMs = firstDelayMs;
      });
      return;
    } catch (error) {
      if (signal.aborted) return;
      handlers.onLost(error);
    }
    // Full jitter: after a restart of the database not every replica comes at once.
    await sleep(Math.random() * delayMs, undefined, { signal }).catch(() => {});
    delayMs = Math.min(delayMs * 2, delayMaxMs);
  }
}

/** Returns when the signal aborts, throws when the connection is lost. */
async function listenOnce(
  connection: pg.ClientConfig,
  channel: string,
  handlers: ListenHandlers,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<void> {
  const client = new pg.Client(connection);
  const { promise: ended, resolve: stop, reject: lose } = Promise.withResolvers<void>();
  ended.catch(() => {});
  client.on("error", lose);
  client.on("end", () => lose(new Error("The connection was closed.")));
  client.on("notification", (message) => {
    if (message.channel === channel) handlers.onNotify(message.payload ?? "");
  });
  const abort = () => stop();
  signal.addEventListener("abort", abort, { once: true });
  const probe = setInterval(() => void client.query("select 1").catch(lose), probeIntervalMs);
  try {
    await client.connect();
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
    onConnected();
    handlers.onConnected();
    await ended;
  } finally {
    clearInterval(probe);
    signal.removeEventListener("abort", abort);
    await client.end().catch(() => {});
  }
}
