// Tells who serves edges where their pools are. A NOTIFY is a hint, the table is the truth: heads are read when one comes, when
// listening begins again after a loss, and every pollMs whatever happens.
import { setTimeout as sleep } from "node:timers/promises";
import { toDatabaseError } from "../db/connection-loss.ts";
import type { Database } from "../db/database.ts";
import { failureFields } from "../failure-fields.ts";
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

  /** False: nobody wants to know, so nothing was read. */
  const readOnce = async (): Promise<boolean> => {
    const poolIds = [...subscribers.keys()];
    if (poolIds.length === 0) return false;
    const read = await readHeads(database.db, poolIds);
    for (const [poolId, head] of read) {
      const callbacks = subscribers.get(poolId);
      // Its last subscriber left meanwhile; kept, this head would pass for a new one later.
      if (callbacks === undefined) continue;
      const known = heads.get(poolId);
      if (
        known !== undefined &&
        compareVersions(known, head) === 0 &&
        Buffer.compare(known.digest, head.digest) === 0
      ) {
        continue;
      }
      heads.set(poolId, head);
      for (const onHead of callbacks) onHead(head);
    }
    return true;
  };

  const poll = async (signal: AbortSignal): Promise<void> => {
    let failing = false;
    while (!signal.aborted) {
      wanted = false;
      try {
        const hasRead = await readOnce();
        if (failing && hasRead) log.info({}, "the database is read again");
        if (hasRead) failing = false;
      } catch (error) {
        if (!failing) log.warn(failureFields(error), "pools cannot be read; trying again");
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
      log.warn(failureFields(toDatabaseError(error)), "notifications are lost; pools are polled until they are back");
    lost = true;
  };
  const onConnected = (): void => {
    if (lost) log.info({}, "notifications are back");
    lost = false;
    want();
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
      const listening = database.listen(poolsChannel, { onNotify, onConnected, onLost }, ended);
      try {
        await Promise.race([listening, poll(ended)]);
      } finally {
        both.abort();
        await listening;
      }
    },
  };
}
