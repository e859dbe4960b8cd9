import { expect, test } from "vitest";
import type { BackendCounters, Counters, RouteCounters } from "../relay/relay.ts";
import { ReportedCounters, copyCounters } from "./report-difference.ts";

function routeCounters(counters: Partial<RouteCounters>): RouteCounters {
  return { opened: 0, closed: {}, rxBytes: 0, txBytes: 0, overLimit: 0, backends: new Map(), ...counters };
}

function counters(routes: Record<string, RouteCounters>, more: Partial<Counters> = {}): Counters {
  return { accepted: 0, undecided: 0, routes: new Map(Object.entries(routes)), ...more };
}

const backend = { attempts: 3, failures: 1, opened: 2, closed: 1, rxBytes: 10, txBytes: 20 };

test("reports everything at first, and afterwards what is new", () => {
  const reported = new ReportedCounters();
  const first = counters(
    {
      a: routeCounters({
        opened: 2,
        closed: { client_closed: 1 },
        rxBytes: 10,
        txBytes: 20,
        backends: new Map([["h:1", backend]]),
      }),
    },
    { accepted: 5, undecided: 3 },
  );
  const [report, ...none] = reported.difference(first);
  expect(none).toEqual([]);
  expect(report).toEqual({
    accepted: 5n,
    undecided: 3n,
    routes: [
      {
        uid: "a",
        opened: 2n,
        closed: { client_closed: 1n },
        rxBytes: 10n,
        txBytes: 20n,
        overLimit: 0n,
        backends: [{ backend: "h:1", attempts: 3n, failures: 1n, opened: 2n, closed: 1n, rxBytes: 10n, txBytes: 20n }],
      },
    ],
  });
  reported.reported(report!, copyCounters(first));
  const then = counters(
    {
      a: routeCounters({
        opened: 2,
        closed: { client_closed: 1, idle_timeout: 1 },
        rxBytes: 10,
        txBytes: 25,
        backends: new Map([["h:1", { ...backend, closed: 2, txBytes: 25 }]]),
      }),
      quiet: routeCounters({}),
    },
    { accepted: 6, undecided: 0 },
  );
  expect(reported.difference(then)).toEqual([
    {
      accepted: 1n,
      undecided: 0n,
      routes: [
        {
          uid: "a",
          opened: 0n,
          closed: { idle_timeout: 1n },
          rxBytes: 0n,
          txBytes: 5n,
          overLimit: 0n,
          backends: [{ backend: "h:1", attempts: 0n, failures: 0n, opened: 0n, closed: 1n, rxBytes: 0n, txBytes: 5n }],
        },
      ],
    },
  ]);
});

test("has no report when nothing happened", () => {
  const reported = new ReportedCounters();
  const now = counters({ a: routeCounters({ opened: 1 }) }, { accepted: 1 });
  for (const report of reported.difference(now)) reported.reported(report, now);
  expect(reported.difference(copyCounters(now))).toEqual([]);
});

test("what was not reported is in the next difference", () => {
  const reported = new ReportedCounters();
  reported.difference(counters({ a: routeCounters({ opened: 1 }) }, { accepted: 1 }));
  expect(reported.difference(counters({ a: routeCounters({ opened: 3 }) }, { accepted: 3 }))).toMatchObject([
    { accepted: 3n, routes: [{ uid: "a", opened: 3n }] },
  ]);
});

test("what only went over a limit that observes is reported, once", () => {
  const reported = new ReportedCounters();
  const first = counters({ a: routeCounters({ overLimit: 3 }) });
  const [report] = reported.difference(first);
  expect(report?.routes).toMatchObject([{ uid: "a", opened: 0n, overLimit: 3n }]);
  reported.reported(report!, copyCounters(first));
  expect(reported.difference(first)).toEqual([]);
  expect(reported.difference(counters({ a: routeCounters({ overLimit: 5 }) }))).toMatchObject([
    { routes: [{ uid: "a", overLimit: 2n }] },
  ]);
});

test("counts from nothing a backend that was forgotten, and goes on with the rest of its route", () => {
  const reported = new ReportedCounters();
  const backends = (all: Record<string, number>): Map<string, BackendCounters> =>
    new Map(Object.entries(all).map(([key, opened]) => [key, { ...backend, opened }]));
  const first = counters({ a: routeCounters({ opened: 9, backends: backends({ "gone:1": 5, "kept:1": 4 }) }) });
  for (const report of reported.difference(first)) reported.reported(report, copyCounters(first));
  reported.forget({ routes: [], backends: new Map([["a", ["gone:1"]]]) });
  const without = counters({ a: routeCounters({ opened: 9, backends: backends({ "kept:1": 4 }) }) });
  expect(reported.difference(without)).toEqual([]);
  const back = counters({ a: routeCounters({ opened: 12, backends: backends({ "gone:1": 2, "kept:1": 5 }) }) });
  expect(reported.difference(back)).toMatchObject([
    {
      routes: [
        {
          opened: 3n,
          backends: [
            { backend: "gone:1", opened: 2n, attempts: 3n },
            { backend: "kept:1", opened: 1n, attempts: 0n },
          ],
        },
      ],
    },
  ]);
});

test("cuts the traffic of very many routes into several reports, which sum to all of it", () => {
  const reported = new ReportedCounters();
  const routes = Object.fromEntries(
    Array.from({ length: 40_000 }, (_, i) => [
      `route-${i}`,
      routeCounters({ opened: 1, closed: { client_closed: 1 } }),
    ]),
  );
  const now = counters(routes, { accepted: 40_000 });
  const reports = reported.difference(now);
  expect(reports.length).toBeGreaterThan(1);
  const sum = (of: (report: (typeof reports)[number]) => bigint): bigint =>
    reports.reduce((all, report) => all + of(report), 0n);
  expect(sum(({ accepted }) => accepted)).toBe(40_000n);
  expect(sum((report) => BigInt(report.routes.length))).toBe(40_000n);
  // Half of them safe: the rest stays to be reported.
  reported.reported(reports[0]!, now);
  const left = reported.difference(now);
  expect(left.reduce((all, report) => all + report.routes.length, 0)).toBe(40_000 - reports[0]!.routes.length);
  expect(left.every(({ accepted }) => accepted === 0n)).toBe(true);
});

test("a copy of counters does not change with them", () => {
  const live = counters({ a: routeCounters({ opened: 1, backends: new Map([["h:1", { ...backend }]]) }) });
  const copy = copyCounters(live);
  live.routes.get("a")!.opened = 9;
  live.routes.get("a")!.closed.cut = 9;
  live.routes.get("a")!.backends.get("h:1")!.opened = 9;
  expect(copy.routes.get("a")).toMatchObject({ opened: 1, closed: {} });
  expect(copy.routes.get("a")!.backends.get("h:1")).toEqual(backend);
});
