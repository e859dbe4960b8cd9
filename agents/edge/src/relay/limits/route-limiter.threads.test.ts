import { forgetEntries } from "../shared/forget-entries.ts";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { createEdgeClock } from "../shared/edge-clock.ts";
import { createSharedEntries, SharedEntries } from "../shared/shared-entries.ts";
import { MAIN_THREAD } from "../shared/worker-lock.ts";
import { ABOVE, type Hammer, LET_IN, REFUSED } from "./route-limiter.fixture.ts";
import { RouteLimiter } from "./route-limiter.ts";

const WORKERS = 4;
const SOURCES = 3;

const threads = new Map<number, Worker>();

afterEach(async () => {
  await Promise.all([...threads.values()].map((thread) => thread.terminate()));
  threads.clear();
});

function createEdge(limits: Partial<Hammer["limits"]>) {
  const shared: Omit<Hammer, "worker"> = {
    workers: WORKERS,
    routes: createSharedEntries({ workers: WORKERS }),
    sources: createSharedEntries({ workers: WORKERS }),
    limits: {
      connections: null,
      connectionsPerSource: null,
      newPerSecond: null,
      newPerSecondPerSource: null,
      enforce: true,
      ...limits,
    },
    sourcesUsed: SOURCES,
    open: new SharedArrayBuffer(((WORKERS + 1) * SOURCES + 1) * 4),
    tally: new SharedArrayBuffer(3 * 4),
  };
  const open = new Int32Array(shared.open);
  const tally = new Int32Array(shared.tally);
  const main = new SharedEntries(shared.routes, MAIN_THREAD);
  return {
    shared,
    start(worker: number): void {
      const options = { workerData: { ...shared, worker }, execArgv: [] };
      threads.set(worker, new Worker(new URL("route-limiter.fixture.ts", import.meta.url), options));
    },
    async kill(worker: number): Promise<void> {
      await threads.get(worker)!.terminate();
      for (let source = 0; source < SOURCES; source++) {
        const lost = Atomics.exchange(open, worker * SOURCES + source, 0);
        Atomics.sub(open, WORKERS * SOURCES + source, lost);
        Atomics.sub(open, (WORKERS + 1) * SOURCES, lost);
      }
      for (const memory of [shared.sources, shared.routes]) await forgetEntries(memory, worker);
    },
    tell: (command: "rest" | "leave"): Promise<number[]> =>
      Promise.all(
        [...threads.values()].map(async (thread) => {
          thread.postMessage(command);
          const [held] = (await once(thread, "message")) as [number];
          return held;
        }),
      ),
    read: (which: number): number => Atomics.load(tally, which),
    /** What the limiter counts as open. */
    counted(): number {
      main.hash.ofText("route");
      return main.count(main.find(main.hash.high, main.hash.low));
    },
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

test("never holds more than the limits say over four threads, and nothing of threads that were ended in the middle", async () => {
  const edge = createEdge({ connections: 20, connectionsPerSource: 8, newPerSecond: 1e9, newPerSecondPerSource: 1e9 });
  for (let worker = 0; worker < WORKERS; worker++) edge.start(worker);
  for (let death = 0; death < 12; death++) {
    const before = [edge.read(LET_IN), edge.read(REFUSED)];
    await expect.poll(() => edge.read(LET_IN) - before[0]!, { interval: 5 }).toBeGreaterThan(2_000);
    await expect.poll(() => edge.read(REFUSED) - before[1]!, { interval: 5 }).toBeGreaterThan(100);
    await edge.kill(death % WORKERS);
    edge.start(death % WORKERS);
  }
  const held = await edge.tell("rest");
  expect(edge.counted()).toBe(sum(held));
  expect(edge.read(ABOVE)).toBe(0);
  await edge.tell("leave");
  expect(edge.counted()).toBe(0);
});

test("lets no more new ones in over four threads than a second's worth and what the time brings", async () => {
  const newPerSecond = 5_000;
  const edge = createEdge({ newPerSecond });
  const now = createEdgeClock();
  const startedAt = now();
  for (let worker = 0; worker < WORKERS; worker++) edge.start(worker);
  await expect.poll(() => edge.read(LET_IN)).toBeGreaterThan(newPerSecond * 1.1);
  await edge.tell("rest");
  // The threads' clocks differ by the microseconds that it took to set them.
  const passedMs = now() - startedAt + 10;
  expect(edge.read(LET_IN)).toBeLessThanOrEqual(newPerSecond + (passedMs * newPerSecond) / 1000);
  expect(edge.read(REFUSED)).toBeGreaterThan(0);
});

test("goes on where a dead worker held both of its locks", async () => {
  const edge = createEdge({ connections: 1, connectionsPerSource: 1 });
  const { routes, sources, limits } = edge.shared;
  const admit = (worker: number) => {
    const held = { routeEntry: -1, sourceEntry: -1 };
    const tables = [new SharedEntries(routes, worker), new SharedEntries(sources, worker)] as const;
    return new RouteLimiter(...tables, () => 5_000).admit(held, "route", limits, "192.0.2.1");
  };
  expect(admit(0)).toBe(null);
  expect(admit(1)).toBe("connections");
  for (const memory of [routes, sources]) {
    const locks = new Int32Array(memory.locks);
    for (let at = 0; at < locks.length; at += 16) locks[at] = 1;
  }
  for (const memory of [sources, routes]) await forgetEntries(memory, 0);
  expect(admit(1)).toBe(null);
});

test("takes back what two workers held that died at one moment, each in the way of the other", async () => {
  const { routes, sources } = createEdge({}).shared;
  for (const memory of [routes, sources]) {
    const locks = new Int32Array(memory.locks);
    for (let bucket = 0; bucket < 8; bucket++) locks[bucket * 16] = 1 + (bucket % 2);
  }
  const forget = async (worker: number): Promise<void> => {
    for (const memory of [sources, routes]) await forgetEntries(memory, worker);
  };
  await Promise.all([forget(0), forget(1)]);
  for (const { locks } of [routes, sources]) expect(new Set(new Int32Array(locks))).toEqual(new Set([0]));
});
