// Tells who holds the sessions of edges what is wanted of them.
import type { Database } from "../db/database.ts";
import { type OpenEdgeRequest, edgeRequestsChannel, readOpenRequests } from "./edge-requests.ts";
import { type FollowLog, followChannel } from "./follow-channel.ts";

export interface EdgeRequestFeed {
  /**
   * Calls back with all that is open for the edge, when that session begins and whenever it may have changed, for as long as it is the
   * edge's newest. What is not answered comes again each time. Returns how to end that.
   */
  subscribe(session: { edgeId: string; number: number }, onOpen: (open: OpenEdgeRequest[]) => void): () => void;
  /** Ends with the signal. */
  run(signal: AbortSignal): Promise<void>;
}

interface Subscriber {
  number: number;
  onOpen: (open: OpenEdgeRequest[]) => void;
}

export function createEdgeRequestFeed(
  database: Pick<Database, "db" | "listen">,
  { log, pollMs, now }: { log: FollowLog; pollMs: number; now: () => Date },
): EdgeRequestFeed {
  /** By edge id. While an edge comes back, its old session and its new one may both be here. */
  const subscribers = new Map<string, Set<Subscriber>>();

  const read = async (): Promise<boolean> => {
    const edgeIds = [...subscribers.keys()];
    if (edgeIds.length === 0) return false;
    const open = await readOpenRequests(database.db, { edgeIds, now: now() });
    for (const [edgeId, requests] of Map.groupBy(open, (request) => request.edgeId)) {
      for (const { number, onOpen } of subscribers.get(edgeId) ?? []) {
        const own = requests.filter(({ session }) => session === number);
        if (own.length > 0) onOpen(own);
      }
    }
    return true;
  };
  const follower = followChannel(database, {
    channel: edgeRequestsChannel,
    what: "requests to edges",
    pollMs,
    concerns: (edgeId) => subscribers.has(edgeId),
    read,
    log,
  });

  return {
    subscribe({ edgeId, number }, onOpen) {
      const subscriber = { number, onOpen };
      const ofEdge = subscribers.get(edgeId) ?? new Set();
      subscribers.set(edgeId, ofEdge.add(subscriber));
      follower.want();
      return () => {
        ofEdge.delete(subscriber);
        if (ofEdge.size === 0 && subscribers.get(edgeId) === ofEdge) subscribers.delete(edgeId);
      };
    },
    run: (signal) => follower.run(signal),
  };
}
