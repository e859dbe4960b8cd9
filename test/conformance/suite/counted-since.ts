import type { BackendCounters, RouteCounters } from "@helloway/edge/relay/relay";

/** What was counted since: routes and backends at which nothing was are absent. */
export function countedSince(
  now: ReadonlyMap<string, RouteCounters>,
  before: ReadonlyMap<string, RouteCounters>,
): Map<string, RouteCounters> {
  const since = new Map<string, RouteCounters>();
  for (const [uid, route] of now) {
    const counted = routeSince(route, before.get(uid));
    if (counted.opened > 0) since.set(uid, counted);
  }
  return since;
}

function routeSince(now: RouteCounters, before: RouteCounters | undefined): RouteCounters {
  if (!before) return now;
  const closed = Object.entries(now.closed).map(([reason, count]): [string, number] => [
    reason,
    count - (before.closed[reason as keyof typeof before.closed] ?? 0),
  ]);
  const backends = new Map<string, BackendCounters>();
  for (const [key, backend] of now.backends) {
    const counted = backendSince(backend, before.backends.get(key));
    if (counted.attempts > 0) backends.set(key, counted);
  }
  return {
    opened: now.opened - before.opened,
    closed: Object.fromEntries(closed.filter(([, count]) => count > 0)),
    rxBytes: now.rxBytes - before.rxBytes,
    txBytes: now.txBytes - before.txBytes,
    overLimit: now.overLimit - before.overLimit,
    backends,
  };
}

function backendSince(now: BackendCounters, before: BackendCounters | undefined): BackendCounters {
  if (!before) return now;
  return {
    attempts: now.attempts - before.attempts,
    failures: now.failures - before.failures,
    opened: now.opened - before.opened,
    closed: now.closed - before.closed,
    rxBytes: now.rxBytes - before.rxBytes,
    txBytes: now.txBytes - before.txBytes,
  };
}
