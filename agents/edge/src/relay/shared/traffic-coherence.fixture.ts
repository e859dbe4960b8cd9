import type { Counters, RouteCounters } from "../relay.ts";

/** What does not hold that should at any moment. */
export function incoherent({ accepted, undecided, routes }: Counters): unknown[] {
  const wrong: unknown[] = [];
  let opened = 0;
  for (const [uid, route] of routes) {
    opened += route.opened;
    const left = { opened: route.opened, closed: closedOf(route), rxBytes: route.rxBytes, txBytes: route.txBytes };
    if (left.closed > left.opened) wrong.push({ uid, route });
    for (const backend of route.backends.values()) {
      if (backend.closed > backend.opened) wrong.push({ uid, backend });
      for (const key of Object.keys(left) as (keyof typeof left)[]) left[key] -= backend[key];
    }
    if (Object.values(left).some((each) => each < 0)) wrong.push({ uid, route, left });
  }
  if (undecided < 0 || accepted !== undecided + opened) wrong.push({ accepted, undecided, opened });
  return wrong;
}

export function closedOf({ closed }: RouteCounters): number {
  return Object.values(closed).reduce((sum, count) => sum + count, 0);
}
