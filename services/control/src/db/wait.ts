import { setTimeout as sleep } from "node:timers/promises";
import { HellowayError } from "../errors.ts";
import type { Database } from "./database.ts";

/** What of a pino logger is used. */
interface WaitLog {
  warn(fields: object, message: string): void;
}

export interface WaitOptions {
  log: WaitLog;
  /** After this it fails. */
  timeoutMs: number;
  signal: AbortSignal;
}

const retryMs = 500;
const tellMs = 3_000;

/** Waits until the database answers, saying every few seconds what it waits for; throws `database_unavailable` after the limit. */
export async function waitForDatabase(database: Database, { log, timeoutMs, signal }: WaitOptions): Promise<void> {
  const startedAt = performance.now();
  let toldAt = -Infinity;
  for (;;) {
    signal.throwIfAborted();
    try {
      await database.ping();
      return;
    } catch (error) {
      const now = performance.now();
      const reason = reasonOf(error);
      if (now - startedAt >= timeoutMs) {
        throw new HellowayError(
          "unavailable",
          "database_unavailable",
          `The database did not answer within ${Math.round(timeoutMs / 1000)} s (${reason}). Check DATABASE_URL and that Postgres runs.`,
          { cause: error },
        );
      }
      if (now - toldAt >= tellMs) {
        toldAt = now;
        log.warn({ reason }, "waiting for the database");
      }
      await sleep(Math.min(retryMs, timeoutMs), undefined, { signal });
    }
  }
}

/** The innermost message: what the system or the database said. */
function reasonOf(error: unknown): string {
  let link = error;
  while (link instanceof Error) {
    const inner: unknown = link instanceof AggregateError ? link.errors[0] : link.cause;
    if (!(inner instanceof Error)) return link.message;
    link = inner;
  }
  return String(link);
}
