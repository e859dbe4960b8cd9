import { expect, test } from "vitest";
import { create } from "@bufbuild/protobuf";
import { Balance, RouteSchema } from "@helloway/proto/table";
import { createSharedEntries, SharedEntries } from "../shared/shared-entries.ts";
import { BackendChooser } from "../backend/backend-chooser.ts";
import { RouteLimiter } from "../limits/route-limiter.ts";
import { LazyForwarding } from "../table/lazy-forwarding.ts";
import type { RouteLimits } from "../table/served-route.ts";
import { countOpen, type CountedConnection, type Counting } from "./count-open.ts";

const none: RouteLimits = {
  connections: null,
  connectionsPerSource: null,
  newPerSecond: null,
  newPerSecondPerSource: null,
  bytesPerSecond: null,
  enforce: true,
};
const connections = (max: number): RouteLimits => ({ ...none, connections: max });
const forwarding = LazyForwarding.of(
  create(RouteSchema, {
    balance: Balance.LEAST_CONNECTIONS,
    timeouts: {},
    backends: ["one", "two"].map((host, priority) => ({ host, port: 1, weight: 1, priority })),
  }),
);

type Limiting = Counting & { entries: SharedEntries };

/** @param limits of every route. */
function counting(limits: Record<string, RouteLimits | null>): Limiting {
  const entries = (): SharedEntries => new SharedEntries(createSharedEntries({ entries: 1_024, workers: 1 }), 0);
  const routes = entries();
  const now = (): number => 5_000;
  return {
    entries: routes,
    limiter: new RouteLimiter(routes, entries(), now),
    chooser: new BackendChooser(routes, now),
    route: (uid) => (uid in limits ? { limits: limits[uid]!, countsLoads: uid === "loaded", forwarding } : null),
  };
}

function connectionOf(admittedTo: string | null, backend?: string): CountedConnection {
  const upstream = backend === undefined ? null : { backend: { key: backend }, load: -1 };
  return { admittedTo, source: "192.0.2.1", routeEntry: -1, sourceEntry: -1, upstream };
}

/** How many more the limit lets in. */
function room(limiter: RouteLimiter, route: string, max: number): number {
  let admitted = 0;
  while (limiter.admit(connectionOf(route), route, connections(max), "192.0.2.1") === null) admitted++;
  return admitted;
}

test("counts those of a limited route, each once, and nobody else", async () => {
  const all = counting({ limited: connections(10), free: none });
  const { limiter } = all;
  const open = [...Array<string>(7).fill("limited"), null, "free", "gone"].map((uid) => connectionOf(uid));
  for (let round = 0; round < 3; round++) await countOpen(new Set(open), all);
  expect(open.slice(7).map(({ routeEntry }) => routeEntry)).toEqual([-1, -1, -1]);
  limiter.release(open[0]!);
  expect(room(limiter, "limited", 10)).toBe(4);
  expect(room(limiter, "free", 10)).toBe(10);
});

test("counts those who are open as loads of their backends, each once, where their route asks for it", async () => {
  const all = counting({ loaded: null, free: null });
  const open = ["one:1", "one:1", "two:1", "removed:1", undefined].map((key) => connectionOf("loaded", key));
  const others = [connectionOf("free", "one:1"), connectionOf(null, "one:1"), connectionOf("gone", "one:1")];
  for (let round = 0; round < 3; round++) await countOpen(new Set([...open, ...others]), all);
  const loads = open.map(({ upstream }) =>
    upstream === null || upstream.load === -1 ? 0 : all.entries.count(upstream.load),
  );
  expect(loads).toEqual([2, 2, 1, 0, 0]);
  expect(others.map(({ upstream }) => upstream!.load)).toEqual([-1, -1, -1]);
  for (const { upstream } of open.slice(0, 2)) all.chooser.closed(upstream!.load);
  expect(all.entries.count(open[2]!.upstream!.load)).toBe(1);
});

test("lets others have their turn while it counts many, and counts nobody whose connection has ended meanwhile", async () => {
  const all = counting({ limited: connections(1e9) });
  const { limiter } = all;
  const open = new Set(Array.from({ length: 200_000 }, () => connectionOf("limited")));
  let turns = 0;
  const leaveOneByOne = (): void => {
    turns++;
    const [first] = open;
    const [last] = [...open].slice(-1);
    for (const connection of [first!, last!]) {
      open.delete(connection);
      limiter.release(connection);
    }
    // Whoever comes while it counts is counted as anybody else.
    const came = connectionOf("limited");
    expect(limiter.admit(came, "limited", connections(1e9), came.source)).toBe(null);
    open.add(came);
    turn = setImmediate(leaveOneByOne);
  };
  let turn = setImmediate(leaveOneByOne);
  await countOpen(open, all);
  clearImmediate(turn);
  expect(turns).toBeGreaterThan(1);
  expect([...open].filter(({ routeEntry }) => routeEntry === -1).length).toBe(0);
  expect(room(limiter, "limited", open.size + 3)).toBe(3);
});
