// Counts open connections towards limits that their route did not have when they were let in. Only connections of a route with such a
// limit are counted as they come, so that no others pay for it: a limit that comes to a live route has to catch up.
//
// Invariants:
// - Every open connection of a route is counted at most once: what it holds already is left as it is, whoever took it.
// - Nobody is refused or ended for it: a limit may find more open than it allows, and then lets nobody in until enough have left.
// - Each worker counts its own, after it has swapped the table in and before it answers for the update. Until all have answered, one
//   that is ahead may let in more than the limit says, by what the others have not counted; from then on nobody is let in above it.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ConnectionLimits, HeldLimits, RouteLimiter } from "./route-limiter.ts";

export interface LimitedConnection extends HeldLimits {
  /** The uid of the route that has let it in; null: none has, or it is over. */
  readonly admittedTo: string | null;
  readonly source: string;
}

/** How long the event loop may be held at once, and how many connections go between two looks at the clock. */
const SLICE_MS = 2;
const SLICE_CONNECTIONS = 64;

/** @param open it may change meanwhile; who comes later is counted by admit(). @param limitsOf a route as it is served now, by uid. */
export async function countOpen(
  open: ReadonlySet<LimitedConnection>,
  limiter: RouteLimiter,
  limitsOf: (uid: string) => ConnectionLimits | null,
): Promise<void> {
  let left = open.size;
  let started = performance.now();
  for (const connection of open) {
    if (left-- === 0) return;
    if (left % SLICE_CONNECTIONS === 0 && performance.now() - started >= SLICE_MS) {
      await nextTurn();
      started = performance.now();
    }
    if (connection.routeEntry !== -1 && connection.sourceEntry !== -1) continue;
    const uid = connection.admittedTo;
    const limits = uid === null ? null : limitsOf(uid);
    if (limits !== null) limiter.count(connection, uid!, limits, connection.source);
  }
}
