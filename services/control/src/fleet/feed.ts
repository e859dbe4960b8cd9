// Tells who serves edges where their pools are. A NOTIFY is a hint, the table is the truth: heads are read when one comes, when
// listening begins again after a loss, and every pollMs whatever happens.
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "../db/database.ts";
import { poolsChannel } from "./revisions.ts";
import { readHeads } from "./table-reads.ts";
import { compareVersions, type TableHead } from "./table-version.ts";

interface FeedLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface Feed {
  /** Calls back with the head of the pool as soon as it is known, and whenever it has moved. Returns how to end that. */
  subscribe(poolId: string, onHead: (head: TableHead) => void): () => void;
  /** Ends with the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export function createFeed(
  database: Pick<Database, "db" | "listen">,
  { log, pollMs }: { log: FeedLog; pollMs: number },
): Feed {
  const subscribers = new Map<string, Set<(head: TableHead) => void>>();
  const heads = new Map<string, TableHead>();
  let wake = (): void => undefined;
  /** A reading is wanted that begins after now. */
  let wanted = false;
  const want = (): void => {
    wanted = true;
    wake();
  };

  const readOnce = async (): Promise<void> => {
    const poolIds = [...subscribers.keys()];
    if (poolIds.length === 0) return;
    const read = await readHeads(database.db, poolIds);
    for (const [poolId, head] of read) {
      const known = heads.get(poolId);
      if (
        known !== undefined &&
        compareVersions(known, head) === 0 &&
        Buffer.compare(known.digest, head.digest) === 0
      ) {
        continue;
      }
      heads.set(poolId, head);
      for (const onHead of subscribers.get(poolId) ?? []) onHead(head);
    }
  };

  const poll = async (signal: AbortSignal): Promise<void> => {
    let failing = false;
    while (!signal.aborted) {
      wanted = false;
      try {
        await readOnce();
        if (failing) log.info({}, "the database is read again");
        failing = false;
      } catch (error) {
        if (!failing) log.warn({ err: error }, "pools cannot be read; trying again");
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

  const onNotify = (payload: string): void => {
    const poolId = payload.slice(0, payload.lastIndexOf(":"));
    if (subscribers.has(poolId)) want();
  };

  return {
    subscribe(poolId, onHead) {
      const callbacks = subscribers.get(poolId) ?? new Set();
      subscribers.set(poolId, callbacks);
      callbacks.add(onHead);
      const known = heads.get(poolId);
      if (known === undefined) want();
      else queueMicrotask(() => callbacks.has(onHead) && onHead(known));
      return () => {
        callbacks.delete(onHead);
        if (callbacks.size > 0 || subscribers.get(poolId) !== callbacks) return;
        subscribers.delete(poolId);
        heads.delete(poolId);
      };
    },
    async run(signal) {
      // One of them ending ends both: the caller hears of it and nothing is left running.
      const both = new AbortController();
      const ended = AbortSignal.any([signal, both.signal]);
      const listening = database.listen(
        poolsChannel,
        {
          onNotify,
          onConnected: want,
          onLost: (error) => log.warn({ err: error }, "notifications are lost; pools are polled until they are back"),
        },
        ended,
      );
      try {
        await Promise.race([listening, poll(ended)]);
      } finally {
        both.abort();
        await listening;
      }
    },
  };
}
