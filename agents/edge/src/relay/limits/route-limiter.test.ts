import { expect, test } from "vitest";
import fc from "fast-check";
import { createSharedEntries, SharedEntries } from "../shared/shared-entries.ts";
import { MAIN_THREAD } from "../shared/worker-lock.ts";
import { type ConnectionLimit, type ConnectionLimits, type HeldLimits, RouteLimiter } from "./route-limiter.ts";

const START = 5_000;

/** An edge whose workers are all of this thread. */
function edge(workers: number, { sources = 1_024 } = {}) {
  const routeMemory = createSharedEntries({ entries: 1_024, workers });
  const sourceMemory = createSharedEntries({ entries: sources, workers });
  const clock = { now: START };
  const limiters = Array.from(
    { length: workers },
    (_, worker) =>
      new RouteLimiter(
        new SharedEntries(routeMemory, worker),
        new SharedEntries(sourceMemory, worker),
        () => clock.now,
      ),
  );
  const forgetWorker = (worker: number): void => {
    for (const memory of [sourceMemory, routeMemory]) new SharedEntries(memory, MAIN_THREAD).forgetWorker(worker);
  };
  return { limiters, clock, forgetWorker };
}

const none: ConnectionLimits & { enforce: boolean } = {
  connections: null,
  connectionsPerSource: null,
  newPerSecond: null,
  newPerSecondPerSource: null,
  enforce: true,
};

const nothing = (): HeldLimits => ({ routeEntry: -1, sourceEntry: -1 });

/** What each of so many connections one after the other is told. */
function admitted(limiter: RouteLimiter, limits: typeof none, times: number, source = "192.0.2.1") {
  return Array.from({ length: times }, () => limiter.admit(nothing(), "r", limits, source));
}

test("holds a limit over all workers, for each route by itself", () => {
  const { limiters } = edge(2);
  const [one, other] = limiters as [RouteLimiter, RouteLimiter];
  const limits = { ...none, connections: 2 };
  const held = nothing();
  expect(one.admit(held, "r", limits, "a")).toBe(null);
  expect(other.admit(nothing(), "r", limits, "b")).toBe(null);
  expect(other.admit(nothing(), "r", limits, "b")).toBe("connections");
  expect(other.admit(nothing(), "s", limits, "b")).toBe(null);
  one.release(held);
  one.release(held);
  expect(other.admit(nothing(), "r", limits, "b")).toBe(null);
  expect(one.admit(nothing(), "r", limits, "a")).toBe("connections");
});

test("holds a source's limit for each source and route by itself", () => {
  const limiter = edge(1).limiters[0]!;
  const limits = { ...none, connectionsPerSource: 1 };
  const told = (["r a", "r a", "r b", "s a"] as const).map((pair) => {
    const [route, source] = pair.split(" ") as [string, string];
    return limiter.admit(nothing(), route, limits, source);
  });
  expect(told).toEqual([null, "connectionsPerSource", null, null]);
});

test("lets a second's worth of new ones in at once, then as many as the time brings", () => {
  const { limiters, clock } = edge(1);
  const limits = { ...none, newPerSecond: 4 };
  expect(admitted(limiters[0]!, limits, 5)).toEqual([null, null, null, null, "newPerSecond"]);
  clock.now += 250;
  expect(admitted(limiters[0]!, limits, 2)).toEqual([null, "newPerSecond"]);
  clock.now += 60_000;
  expect(admitted(limiters[0]!, limits, 5)).toEqual([null, null, null, null, "newPerSecond"]);
});

test("takes nothing for one that it refuses, from whichever of the four", () => {
  const { limiters } = edge(1);
  const limiter = limiters[0]!;
  const limits = { ...none, connections: 3, newPerSecond: 3, newPerSecondPerSource: 2, connectionsPerSource: 2 };
  const held = nothing();
  expect(limiter.admit(held, "r", limits, "a")).toBe(null);
  expect(limiter.admit(nothing(), "r", limits, "a")).toBe(null);
  const refused = nothing();
  for (let n = 0; n < 10; n++) expect(limiter.admit(refused, "r", limits, "a")).toBe("connectionsPerSource");
  expect(refused).toEqual(nothing());
  limiter.release(held);
  for (let n = 0; n < 10; n++) expect(limiter.admit(nothing(), "r", limits, "a")).toBe("newPerSecondPerSource");
  expect(limiter.admit(nothing(), "r", limits, "b")).toBe(null);
  for (let n = 0; n < 10; n++) expect(limiter.admit(nothing(), "r", limits, "c")).toBe("newPerSecond");
});

test("counts those that it only observes to be over a limit as open", () => {
  const limiter = edge(1).limiters[0]!;
  const observed = { ...none, connections: 1, enforce: false };
  const [first, second] = [nothing(), nothing()];
  expect(limiter.admit(first, "r", observed, "a")).toBe(null);
  expect(limiter.admit(second, "r", observed, "a")).toBe("connections");
  limiter.release(first);
  expect(limiter.admit(nothing(), "r", { ...observed, enforce: true }, "a")).toBe("connections");
  limiter.release(second);
  expect(limiter.admit(nothing(), "r", { ...observed, enforce: true }, "a")).toBe(null);
});

test("gives back what a connection took under limits that are gone", () => {
  const limiter = edge(1).limiters[0]!;
  const held = nothing();
  limiter.admit(held, "r", { ...none, connections: 1, connectionsPerSource: 1 }, "a");
  expect(limiter.admit(nothing(), "r", none, "a")).toBe(null);
  limiter.release(held);
  expect(limiter.admit(nothing(), "r", { ...none, connections: 1, connectionsPerSource: 1 }, "a")).toBe(null);
});

test("lets new ones in again within a second of a limit being lowered", () => {
  const { limiters, clock } = edge(1);
  admitted(limiters[0]!, { ...none, newPerSecond: 1_000 }, 1_000);
  clock.now += 1_000;
  admitted(limiters[0]!, { ...none, newPerSecond: 1_000 }, 1_000);
  expect(admitted(limiters[0]!, { ...none, newPerSecond: 1 }, 1)).toEqual(["newPerSecond"]);
  clock.now += 1_000;
  expect(admitted(limiters[0]!, { ...none, newPerSecond: 1 }, 2)).toEqual([null, "newPerSecond"]);
});

test("holds a route's limit when there are more sources than it can remember, and lets those go without their own", () => {
  const { limiters } = edge(1, { sources: 32 });
  const limiter = limiters[0]!;
  const limits = { ...none, connections: 50, connectionsPerSource: 1 };
  const told = Array.from({ length: 60 }, (_, n) => limiter.admit(nothing(), "r", limits, `192.0.2.${n}`));
  expect(told.filter((each) => each === null).length).toBe(50);
  expect(told.slice(50)).toEqual(Array.from({ length: 10 }, () => "connections"));
});

/** All that was let in, in plain lists. */
class Model {
  readonly limits: typeof none;
  open: { worker: number; source: string; held: HeldLimits }[] = [];
  readonly #admittedAt: { source: string; at: number }[] = [];

  constructor(limits: typeof none) {
    this.limits = limits;
  }

  verdict(source: string, now: number): ConnectionLimit | null {
    const { connections, connectionsPerSource, newPerSecond, newPerSecondPerSource } = this.limits;
    const ofSource = this.#admittedAt.filter((each) => each.source === source);
    if (connections !== null && this.open.length >= connections) return "connections";
    if (
      connectionsPerSource !== null &&
      this.open.filter((each) => each.source === source).length >= connectionsPerSource
    )
      return "connectionsPerSource";
    if (newPerSecond !== null && !hasRoom(this.#admittedAt, newPerSecond, now)) return "newPerSecond";
    if (newPerSecondPerSource !== null && !hasRoom(ofSource, newPerSecondPerSource, now))
      return "newPerSecondPerSource";
    return null;
  }

  admitted(source: string, at: number): void {
    this.#admittedAt.push({ source, at });
  }
}

/** With this one, no span of time that ends now had more than a second's worth and what it brought. */
function hasRoom(admitted: readonly { at: number }[], perSecond: number, now: number): boolean {
  return admitted.every(({ at }, n) => admitted.length - n + 1 <= perSecond + ((now - at) * perSecond) / 1000);
}

// Powers of two a second and eighths of seconds: what flows back is exact in binary fractions.
const rate = fc.constantFrom(null, null, 1, 2, 4, 8);
const most = fc.option(fc.integer({ min: 1, max: 6 }));
const limits = fc.record({
  connections: most,
  connectionsPerSource: most,
  newPerSecond: rate,
  newPerSecondPerSource: rate,
  enforce: fc.boolean(),
});
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("admit" as const),
        worker: fc.nat(2),
        source: fc.constantFrom("a", "b", "c"),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("release" as const), pick: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), eighths: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("die" as const), worker: fc.nat(2) }) },
  ),
  { maxLength: 150, size: "max" },
);

test("agrees with plain lists of what was let in and is open, workers dying in between", () => {
  fc.assert(
    fc.property(limits, steps, (of, all) => {
      const { limiters, clock, forgetWorker } = edge(3);
      const model = new Model(of);
      for (const step of all) {
        if (step.kind === "wait") clock.now += step.eighths * 125;
        else if (step.kind === "die") {
          model.open = model.open.filter(({ worker }) => worker !== step.worker);
          forgetWorker(step.worker);
        } else if (step.kind === "admit") {
          const { worker, source } = step;
          const held = nothing();
          const expected = model.verdict(source, clock.now);
          expect(limiters[worker]!.admit(held, "r", of, source)).toBe(expected);
          if (expected === null) model.admitted(source, clock.now);
          if (expected === null || !of.enforce) model.open.push({ worker, source, held });
        } else if (model.open.length > 0) {
          const [gone] = model.open.splice(step.pick % model.open.length, 1);
          limiters[gone!.worker]!.release(gone!.held);
        }
      }
    }),
    { numRuns: 500 },
  );
});
