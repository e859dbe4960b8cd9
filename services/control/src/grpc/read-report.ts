import type { BackendTraffic, LostReports, ReportRequest, RouteTraffic } from "@helloway/proto/edge";
import { type CloseReason, closeReasons } from "@helloway/routing/close-reason";
import type { ReportedBackend, ReportedRoute, TrafficReport } from "../fleet/reports.ts";
import { boundedCount, boundedList, boundedText, boundedUuid, refuse } from "./bounds.ts";

const code = "bad_report";
const routesMax = 50_000;
const backendsMax = 256;
/** In one report of at most an hour: far above what a machine does, and so far below 2^53 that sums stay exact. */
const connectionsMax = 1e9;
const bytesMax = 1e15;
/** Reports that were merged because they could not be sent may be as long. */
const spanMaxMs = 3_600_000;

const reasons: ReadonlySet<string> = new Set(closeReasons);
const uid = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|@noSni|@unmatched|-)$/;

/** An agent's report, checked. Throws malformed/bad_report. */
export function readReport(report: ReportRequest): TrafficReport {
  const sequence = boundedCount(report.sequence, Number.MAX_SAFE_INTEGER, code, "sequence");
  if (sequence === 0) refuse(code, "sequence", "is 0; the first is 1");
  // The last instant that JavaScript and Postgres both know is further away.
  const startMs = boundedCount(report.startMs, 8e15, code, "start_ms");
  const endMs = boundedCount(report.endMs, 8e15, code, "end_ms");
  if (endMs < startMs || endMs - startMs > spanMaxMs) refuse(code, "end_ms", "is not within an hour after start_ms");
  boundedCount(report.accepted, connectionsMax, code, "accepted");
  boundedCount(report.undecided, connectionsMax, code, "undecided");
  const routes = boundedList(report.routes, routesMax, code, "routes").map(readRoute);
  if (new Set(routes.map((route) => route.uid)).size !== routes.length) refuse(code, "routes", "has a uid twice");
  return {
    bootId: boundedUuid(report.bootId, code, "boot_id"),
    sequence,
    start: new Date(startMs),
    end: new Date(endMs),
    routes,
    lost: report.lost === undefined ? null : readLost(report.lost, sequence),
  };
}

function readLost(lost: LostReports, sequence: number): { from: number; to: number } {
  const from = boundedCount(lost.from, Number.MAX_SAFE_INTEGER, code, "lost.from");
  const to = boundedCount(lost.to, Number.MAX_SAFE_INTEGER, code, "lost.to");
  if (from === 0 || from > to) refuse(code, "lost", "is no range of sequences");
  if (to !== sequence - 1) refuse(code, "lost.to", "is not the sequence before this report's");
  return { from, to };
}

function readRoute(route: RouteTraffic): ReportedRoute {
  if (!uid.test(route.uid)) refuse(code, "routes.uid", "is no uid of a route");
  const backends = boundedList(route.backends, backendsMax, code, "routes.backends").map(readBackend);
  const names = new Set(backends.map(({ backend }) => backend));
  if (names.size !== backends.length) refuse(code, "routes.backends", "has a backend twice");
  return {
    uid: route.uid,
    opened: boundedCount(route.opened, connectionsMax, code, "routes.opened"),
    closed: Object.entries(route.closed).map(([reason, count]) => {
      if (!reasons.has(reason)) refuse(code, "routes.closed", "has an unknown close reason");
      return { reason: reason as CloseReason, count: boundedCount(count, connectionsMax, code, "routes.closed") };
    }),
    rxBytes: boundedCount(route.rxBytes, bytesMax, code, "routes.rx_bytes"),
    txBytes: boundedCount(route.txBytes, bytesMax, code, "routes.tx_bytes"),
    overLimit: boundedCount(route.overLimit, connectionsMax, code, "routes.over_limit"),
    backends,
  };
}

function readBackend(backend: BackendTraffic): ReportedBackend {
  const name = boundedText(backend.backend, 300, code, "routes.backends.backend");
  if (!/^[\x21-\x7e]+:\d{1,5}$/.test(name)) refuse(code, "routes.backends.backend", "is not host:port");
  return {
    backend: name,
    attempts: boundedCount(backend.attempts, connectionsMax, code, "routes.backends.attempts"),
    failures: boundedCount(backend.failures, connectionsMax, code, "routes.backends.failures"),
    opened: boundedCount(backend.opened, connectionsMax, code, "routes.backends.opened"),
    closed: boundedCount(backend.closed, connectionsMax, code, "routes.backends.closed"),
    rxBytes: boundedCount(backend.rxBytes, bytesMax, code, "routes.backends.rx_bytes"),
    txBytes: boundedCount(backend.txBytes, bytesMax, code, "routes.backends.tx_bytes"),
  };
}
