// What every connection did, by route and backend, since the engine started. Bytes of open connections are not in here until
// they close: counters() adds them.
//
// Invariants: accepted = undecided + the sum of opened; per key, opened - the sum of closed = open connections of that key.
import type { CloseReason } from "@helloway/routing/close-reason";
import type { BackendCounters, Counters, RouteCounters } from "./relay.ts";

/** The key of refusals without a route. */
export const NO_ROUTE = "-";

/** An open connection, as far as counting goes. */
export interface OpenTraffic {
  readonly route: RouteCounters | null;
  readonly backend: BackendCounters | null;
  readonly rxBytes: number;
  readonly txBytes: number;
}

export class Traffic {
  accepted = 0;
  undecided = 0;
  readonly #routes = new Map<string, RouteCounters>();

  accept(): void {
    this.accepted++;
    this.undecided++;
  }

  /** A connection's route is decided, or that it has none. */
  open(uid: string): RouteCounters {
    let route = this.#routes.get(uid);
    if (!route) {
      route = { opened: 0, closed: {}, rxBytes: 0, txBytes: 0, backends: new Map() };
      this.#routes.set(uid, route);
    }
    this.undecided--;
    route.opened++;
    return route;
  }

  backend(route: RouteCounters, key: string): BackendCounters {
    let backend = route.backends.get(key);
    if (!backend) {
      backend = { attempts: 0, failures: 0, opened: 0, closed: 0, rxBytes: 0, txBytes: 0 };
      route.backends.set(key, backend);
    }
    return backend;
  }

  close(route: RouteCounters, { backend, rxBytes, txBytes }: OpenTraffic, reason: CloseReason): void {
    route.closed[reason] = (route.closed[reason] ?? 0) + 1;
    route.rxBytes += rxBytes;
    route.txBytes += txBytes;
    if (!backend) return;
    backend.closed++;
    backend.rxBytes += rxBytes;
    backend.txBytes += txBytes;
  }

  /** A copy, with the bytes of open connections up to now. */
  counters(open: Iterable<OpenTraffic>): Counters {
    const routes = new Map<string, RouteCounters>();
    const copies = new Map<RouteCounters | BackendCounters, RouteCounters | BackendCounters>();
    for (const [uid, route] of this.#routes) {
      const backends = new Map<string, BackendCounters>();
      for (const [key, backend] of route.backends) {
        const copy = { ...backend };
        backends.set(key, copy);
        copies.set(backend, copy);
      }
      const copy = { ...route, closed: { ...route.closed }, backends };
      routes.set(uid, copy);
      copies.set(route, copy);
    }
    for (const { route, backend, rxBytes, txBytes } of open) {
      for (const counters of [route, backend]) {
        const copy = counters && copies.get(counters);
        if (!copy) continue;
        copy.rxBytes += rxBytes;
        copy.txBytes += txBytes;
      }
    }
    return { accepted: this.accepted, undecided: this.undecided, routes };
  }
}
