// Reads a table whenever it may have changed. A NOTIFY is a hint, the table is the truth: it is read when one comes, when listening
// begins again after a loss, and every pollMs whatever happens.
import { setTimeout as sleep } from "node:timers/promises";
import { toDatabaseError } from "../db/connection-loss.ts";
import type { Database } from "../db/database.ts";
import { failureFields } from "../failure-fields.ts";

export interface FollowLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface FollowOptions {
  /** Of NOTIFY. */
  channel: string;
  /** What is read, for the log: "pools". */
  what: string;
  pollMs: number;
  /** Whether this notification is a reason to read. */
  concerns(payload: string): boolean;
  /** False: nobody wants to know, so nothing was read. What it rejects with is told, and it is called again. */
  read(): Promise<boolean>;
  log: FollowLog;
}

export interface Follower {
  /** A reading is wanted that begins after now. */
  want(): void;
  /** Ends with the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export function followChannel(database: Pick<Database, "listen">, options: FollowOptions): Follower {
  const { channel, what, pollMs, log } = options;
  let wake = (): void => undefined;
  let wanted = false;
  const want = (): void => {
    wanted = true;
    wake();
  };

  const poll = async (signal: AbortSignal): Promise<void> => {
    let failing = false;
    while (!signal.aborted) {
      wanted = false;
      try {
        const hasRead = await options.read();
        if (failing && hasRead) log.info({}, "the database is read again");
        if (hasRead) failing = false;
      } catch (error) {
        if (!failing) log.warn(failureFields(error), `${what} cannot be read; trying again`);
        failing = true;
      }
      // A hint while the database is failing would only make it a busy loop.
      if (!wanted || failing) await pause(pollMs, signal);
    }
  };

  const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
    const woken = new AbortController();
    wake = () => woken.abort();
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
    wake = () => undefined;
  };

  let lost = false;
  const onLost = (error: unknown): void => {
    if (!lost)
      log.warn(failureFields(toDatabaseError(error)), `notifications are lost; ${what} are polled until they are back`);
    lost = true;
  };
  const onConnected = (): void => {
    if (lost) log.info({}, "notifications are back");
    lost = false;
    want();
  };
  const onNotify = (payload: string): void => {
    if (options.concerns(payload)) want();
  };

  return {
    want,
    async run(signal) {
      // One of them ending ends both: the caller hears of it and nothing is left running.
      const both = new AbortController();
      const ended = AbortSignal.any([signal, both.signal]);
      const listening = database.listen(channel, { onNotify, onConnected, onLost }, ended);
      try {
        await Promise.race([listening, poll(ended)]);
      } finally {
        both.abort();
        await listening;
      }
    },
  };
}
