import type { ReportRequestSchema, RouteTrafficSchema } from "@helloway/proto/edge";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BackendCounters, Counters, ForgottenCounters, RouteCounters } from "../relay/relay.ts";

/** What one report says of the traffic. */
export type ReportTraffic = Required<
  Pick<MessageInitShape<typeof ReportRequestSchema>, "accepted" | "undecided" | "routes">
> & { routes: MessageInitShape<typeof RouteTrafficSchema>[] };

/** A report larger than about this is cut into several: the control plane receives no message over 4 MB. */
const reportBytesAbout = 1024 * 1024;

/** Counters as they were when something was reported of them last. Starts at nothing. */
export class ReportedCounters {
  #accepted = 0;
  #undecided = 0;
  readonly #routes = new Map<string, RouteCounters>();

  /** What happened since, in reports of a bounded size; none when nothing did. Together they are exact. */
  difference(now: Counters): ReportTraffic[] {
    const reports: ReportTraffic[] = [];
    let report: ReportTraffic = {
      accepted: big(now.accepted - this.#accepted),
      undecided: big(now.undecided),
      routes: [],
    };
    let bytes = 0;
    for (const [uid, counters] of now.routes) {
      const traffic = routeDifference(uid, this.#routes.get(uid), counters);
      if (traffic === null) continue;
      if (bytes > reportBytesAbout) {
        reports.push(report);
        report = { accepted: 0n, undecided: big(now.undecided), routes: [] };
        bytes = 0;
      }
      report.routes.push(traffic);
      bytes += estimatedBytes(traffic);
    }
    const isQuiet = report.routes.length === 0 && report.accepted === 0n && now.undecided === this.#undecided;
    if (!isQuiet) reports.push(report);
    return reports;
  }

  /** Takes it that the report of a difference to these counters is safe. */
  reported(report: ReportTraffic, now: Counters): void {
    this.#accepted += Number(report.accepted);
    this.#undecided = Number(report.undecided);
    for (const { uid } of report.routes) {
      const counters = uid === undefined ? undefined : now.routes.get(uid);
      if (uid !== undefined && counters !== undefined) this.#routes.set(uid, counters);
    }
  }

  /** The engine counts these from 0, should they ever be back. */
  forget({ routes, backends }: ForgottenCounters): void {
    for (const uid of routes) this.#routes.delete(uid);
    for (const [uid, keys] of backends) {
      const route = this.#routes.get(uid);
      for (const key of keys) route?.backends.delete(key);
    }
  }
}

/** A copy that stays what it is while the engine counts on. */
export function copyCounters(counters: Counters): Counters {
  const routes = new Map<string, RouteCounters>();
  for (const [uid, route] of counters.routes) {
    const backends = new Map<string, BackendCounters>();
    for (const [address, backend] of route.backends) backends.set(address, { ...backend });
    routes.set(uid, { ...route, closed: { ...route.closed }, backends });
  }
  return { accepted: counters.accepted, undecided: counters.undecided, routes };
}

function routeDifference(
  uid: string,
  before: RouteCounters | undefined,
  now: RouteCounters,
): MessageInitShape<typeof RouteTrafficSchema> | null {
  const closed: Record<string, bigint> = {};
  for (const [reason, count] of Object.entries(now.closed)) {
    const more = count - (before?.closed[reason as keyof RouteCounters["closed"]] ?? 0);
    if (more > 0) closed[reason] = big(more);
  }
  const backends = [];
  for (const [backend, counters] of now.backends) {
    const old = before?.backends.get(backend);
    const more = {
      attempts: big(counters.attempts - (old?.attempts ?? 0)),
      failures: big(counters.failures - (old?.failures ?? 0)),
      opened: big(counters.opened - (old?.opened ?? 0)),
      closed: big(counters.closed - (old?.closed ?? 0)),
      rxBytes: big(counters.rxBytes - (old?.rxBytes ?? 0)),
      txBytes: big(counters.txBytes - (old?.txBytes ?? 0)),
    };
    if (Object.values(more).some((count) => count > 0n)) backends.push({ backend, ...more });
  }
  const opened = big(now.opened - (before?.opened ?? 0));
  const rxBytes = big(now.rxBytes - (before?.rxBytes ?? 0));
  const txBytes = big(now.txBytes - (before?.txBytes ?? 0));
  const overLimit = big(now.overLimit - (before?.overLimit ?? 0));
  const counts = [opened, rxBytes, txBytes, overLimit];
  const isQuiet = counts.every((count) => count === 0n) && Object.keys(closed).length === 0 && backends.length === 0;
  return isQuiet ? null : { uid, opened, closed, rxBytes, txBytes, overLimit, backends };
}

function big(count: number): bigint {
  return BigInt(Math.max(0, count));
}

function estimatedBytes(traffic: MessageInitShape<typeof RouteTrafficSchema>): number {
  return 80 + 32 * Object.keys(traffic.closed ?? {}).length + 100 * (traffic.backends?.length ?? 0);
}
