// Counts open connections at what their route did not count when they came: limits on open connections, and loads of backends, by
// which some balances choose. A connection is counted as it comes only where its route asks for it, so that no others pay for it: a
// route that comes to ask has to catch up.
//
// Invariants:
// - Every open connection is counted at most once at each: what it holds already is left as it is, whoever took it.
// - Nobody is refused or ended for it: a limit may find more open than it allows, and then lets nobody in until enough have left.
// - Each worker counts its own, after it has swapped the table in and before it answers for the update. Until all have answered, one
//   that is ahead may let in more than a limit says, by what the others have not counted; from then on nobody is let in above it.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BackendChooser } from "../backend/backend-chooser.ts";
import type { HeldLimits, RouteLimiter } from "../limits/route-limiter.ts";
import type { ServedRoute } from "../table/served-route.ts";

export interface CountedConnection extends HeldLimits {
  /** The uid of the route that has let it in; null: none has, or it is over. */
  readonly admittedTo: string | null;
  readonly source: string;
  /** `load`: what the backend counts it at; -1: nothing. */
  readonly upstream: { readonly backend: { readonly key: string }; load: number } | null;
}

export interface Counting {
  readonly limiter: RouteLimiter;
  readonly chooser: BackendChooser;
  /** As it is served now; null: it is not. */
  route(uid: string): Pick<ServedRoute, "limits" | "countsLoads" | "forwarding"> | null;
}

/** How long the event loop may be held at once, and how many connections go between two looks at the clock. */
const SLICE_MS = 2;
const SLICE_CONNECTIONS = 64;

/** @param open it may change meanwhile; who comes later is counted as it comes. */
export async function countOpen(
  open: ReadonlySet<CountedConnection>,
  { limiter, chooser, route }: Counting,
): Promise<void> {
  let left = open.size;
  let started = performance.now();
  for (const connection of open) {
    if (left-- === 0) return;
    if (left % SLICE_CONNECTIONS === 0 && performance.now() - started >= SLICE_MS) {
      await nextTurn();
      started = performance.now();
    }
    const { admittedTo: uid, upstream, source } = connection;
    const served = uid === null ? null : route(uid);
    if (!served) continue;
    if (served.limits) limiter.count(connection, uid!, served.limits, source);
    if (served.countsLoads && upstream?.load === -1) {
      upstream.load = chooser.openedBefore(served.forwarding.value, upstream.backend.key);
    }
  }
}
