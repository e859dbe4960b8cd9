// Tells who serves edges where their pools are.
import type { Database } from "../db/database.ts";
import { type FollowLog, followChannel } from "./follow-channel.ts";
import { poolsChannel } from "./revisions.ts";
import { readHeads } from "./table-reads.ts";
import { compareVersions, type TableHead } from "./table-version.ts";

export interface Feed {
  /** Calls back with the head of the pool as soon as it is known, and whenever it has moved. Returns how to end that. */
  subscribe(poolId: string, onHead: (head: TableHead) => void): () => void;
  /** Ends with the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export function createFeed(
  database: Pick<Database, "db" | "listen">,
  { log, pollMs }: { log: FollowLog; pollMs: number },
): Feed {
  const subscribers = new Map<string, Set<(head: TableHead) => void>>();
  const heads = new Map<string, TableHead>();

  const read = async (): Promise<boolean> => {
    const poolIds = [...subscribers.keys()];
    if (poolIds.length === 0) return false;
    for (const [poolId, head] of await readHeads(database.db, poolIds)) {
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
  const concerns = (payload: string): boolean => subscribers.has(payload.slice(0, payload.lastIndexOf(":")));
  const follower = followChannel(database, { channel: poolsChannel, what: "pools", pollMs, concerns, read, log });

  return {
    subscribe(poolId, onHead) {
      const callbacks = subscribers.get(poolId) ?? new Set();
      subscribers.set(poolId, callbacks);
      callbacks.add(onHead);
      const known = heads.get(poolId);
      if (known === undefined) follower.want();
      else queueMicrotask(() => callbacks.has(onHead) && onHead(known));
      return () => {
        callbacks.delete(onHead);
        if (callbacks.size > 0 || subscribers.get(poolId) !== callbacks) return;
        subscribers.delete(poolId);
        heads.delete(poolId);
      };
    },
    run: (signal) => follower.run(signal),
  };
}
