import { expect, test } from "vitest";
import { createSharedEntries, SharedEntries } from "../shared/shared-entries.ts";
import { countOpen, type LimitedConnection } from "./count-open.ts";
import { type ConnectionLimits, RouteLimiter } from "./route-limiter.ts";

const none = { connections: null, connectionsPerSource: null, newPerSecond: null, newPerSecondPerSource: null };
const connections = (max: number): ConnectionLimits & { enforce: boolean } => ({
  ...none,
  connections: max,
  enforce: true,
});

function createLimiter(): RouteLimiter {
  const entries = (): SharedEntries => new SharedEntries(createSharedEntries({ entries: 1_024, workers: 1 }), 0);
  return new RouteLimiter(entries(), entries(), () => 5_000);
}

function connectionOf(admittedTo: string | null): LimitedConnection {
  return { admittedTo, source: "192.0.2.1", routeEntry: -1, sourceEntry: -1 };
}

/** How many more the limit lets in. */
function room(limiter: RouteLimiter, route: string, max: number): number {
  let admitted = 0;
  while (limiter.admit(connectionOf(route), route, connections(max), "192.0.2.1") === null) admitted++;
  return admitted;
}

test("counts those of a limited route, each once, and nobody else", async () => {
  const limiter = createLimiter();
  const open = [...Array<string>(7).fill("limited"), null, "free", "gone"].map(connectionOf);
  const limitsOf = (uid: string): ConnectionLimits | null =>
    uid === "limited" ? connections(10) : uid === "free" ? none : null;
  for (let round = 0; round < 3; round++) await countOpen(new Set(open), limiter, limitsOf);
  expect(open.slice(7).map(({ routeEntry }) => routeEntry)).toEqual([-1, -1, -1]);
  limiter.release(open[0]!);
  expect(room(limiter, "limited", 10)).toBe(4);
  expect(room(limiter, "free", 10)).toBe(10);
});

test("lets others have their turn while it counts many, and counts nobody whose connection has ended meanwhile", async () => {
  const limiter = createLimiter();
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
  await countOpen(open, limiter, () => connections(1e9));
  clearImmediate(turn);
  expect(turns).toBeGreaterThan(1);
  expect([...open].filter(({ routeEntry }) => routeEntry === -1).length).toBe(0);
  expect(room(limiter, "limited", open.size + 3)).toBe(3);
});
