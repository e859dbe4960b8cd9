import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import type { Counters } from "../relay.ts";
import { incoherent } from "./traffic-coherence.fixture.ts";
import { Counting } from "./traffic-counting.fixture.ts";
import { KeptSums } from "./traffic-kept.fixture.ts";
import { TrafficReader } from "./traffic-reader.ts";
import type { CountingThread, Resting } from "./traffic.fixture.ts";
import type { LeftSlots, TrafficAnnouncement } from "./traffic.ts";

/** More than any route has at once. */
const CROWD = 129;

const served: ReadonlySet<string> = new Set(["a"]);

function setUp(workers: number): { reader: TrafficReader; workers: Counting[]; flush: () => void } {
  const reader = new TrafficReader();
  const all = Array.from({ length: workers }, (_, id) => new Counting(id, reader));
  const flush = (): void => {
    for (const each of all) each.answered(each.flush(served));
  };
  return { reader, workers: all, flush };
}

function counters(reader: TrafficReader): Counters {
  return structuredClone(reader.counters());
}

function backendsOf({ routes }: Counters): Map<string, unknown> {
  return routes.get("a")!.backends;
}

/** Of a route that stays served. */
function visit(worker: Counting, first: number, count: number): void {
  for (let i = first; i < first + count; i++) worker.close(worker.connect("a", `b${i}`));
}

test("needs no more memory for a hundred thousand backends that come and go on a served route than for those of one report", () => {
  const { reader, workers, flush } = setUp(2);
  const keeper = new KeptSums();
  for (let round = 0; round < 100; round++) {
    for (const worker of workers) visit(worker, round * 1_000, 1_000);
    flush();
    const now = counters(reader);
    expect(backendsOf(now).size).toBeLessThanOrEqual(1_000);
    keeper.keep(now);
    keeper.forget(reader.forget(now));
    expect(backendsOf(reader.counters()).size).toBe(0);
    expect(keeper.toldCount).toBe(1);
  }
  // A thousand backends are 8 pages.
  for (const { pages } of workers) expect(pages).toBeLessThan(12);
  expect(keeper.sums.size).toBe(1 + 100_000);
  expect(keeper.sums.get("a")).toEqual([200_000, 200_000, 0, 0]);
  expect(keeper.sums.get("a b99999")).toEqual([2, 0, 2, 2, 0, 0]);
});

test("comes to the backends of every crowded route, however many another one has", () => {
  const { reader, workers } = setUp(1);
  const [worker] = workers as [Counting];
  const uids = new Set(["a", "z"]);
  visit(worker, 0, CROWD);
  for (let i = 0; i < CROWD; i++) worker.close(worker.connect("z", `b${i}`));
  for (let round = 0; round < 3; round++) {
    visit(worker, round * 5_000, 5_000);
    worker.answered(worker.flush(uids));
  }
  expect(reader.forget(counters(reader)).backends.get("z")).toHaveLength(CROWD);
});

test("keeps a backend that has a connection, and all of a route with no more of them than it can have", () => {
  const { reader, workers, flush } = setUp(1);
  const [worker] = workers as [Counting];
  visit(worker, 0, CROWD - 1);
  flush();
  expect(reader.forget(counters(reader))).toEqual({ routes: [], backends: new Map() });
  const open = worker.connect("a", "open");
  flush();
  const kept = counters(reader);
  expect(reader.forget(kept).backends.get("a")).toHaveLength(CROWD - 1);
  expect([...backendsOf(reader.counters()).keys()]).toEqual(["open"]);
  open.rxBytes = 10;
  worker.close(open);
  expect(reader.counters().routes.get("a")).toMatchObject({
    opened: CROWD,
    closed: { client_closed: CROWD },
    rxBytes: 10,
  });
});

test("keeps of a backend what nobody has kept yet", () => {
  const { reader, workers, flush } = setUp(1);
  const [worker] = workers as [Counting];
  visit(worker, 0, CROWD);
  const before = counters(reader);
  visit(worker, 0, 1);
  flush();
  const forgotten = reader.forget(before).backends.get("a")!;
  expect(forgotten).toHaveLength(CROWD - 1);
  expect(forgotten).not.toContain("b0");
  expect(reader.counters().routes.get("a")!.backends.get("b0")).toMatchObject({ attempts: 2, opened: 2, closed: 2 });
});

test("adds up what a backend has in two slots, and counts it from nothing once it was forgotten", () => {
  const { reader, workers } = setUp(1);
  const [worker] = workers as [Counting];
  visit(worker, 0, CROWD);
  const left = worker.flush(served);
  // It is dialled again before the coordinator has heard that it was let go.
  visit(worker, 0, 1);
  const backend = () => reader.counters().routes.get("a")!.backends.get("b0");
  expect(backend()).toEqual({ attempts: 2, failures: 0, opened: 2, closed: 2, rxBytes: 0, txBytes: 0 });
  worker.answered(left);
  expect(backend()).toEqual({ attempts: 2, failures: 0, opened: 2, closed: 2, rxBytes: 0, txBytes: 0 });
  visit(worker, 1_000, CROWD);
  worker.answered(worker.flush(served));
  expect(reader.forget(counters(reader)).backends.get("a")).toContain("b0");
  expect(backend()).toBeUndefined();
  visit(worker, 0, 1);
  expect(backend()).toEqual({ attempts: 1, failures: 0, opened: 1, closed: 1, rxBytes: 0, txBytes: 0 });
});

test("counts a dial once whose backend is let go of before it fails", () => {
  const { reader, workers, flush } = setUp(1);
  const [worker] = workers as [Counting];
  const keeper = new KeptSums();
  visit(worker, 0, CROWD);
  const dialling = worker.dial("a", "slow");
  flush();
  const now = counters(reader);
  keeper.keep(now);
  keeper.forget(reader.forget(now));
  expect(backendsOf(reader.counters()).size).toBe(0);
  worker.failed(dialling);
  keeper.keep(counters(reader));
  expect(keeper.sums.get("a slow")).toEqual([1, 1, 0, 0, 0, 0]);
});

test("loses no backend of a worker that dies before or after its answer is heard", () => {
  for (const isHeard of [true, false]) {
    const { reader, workers } = setUp(1);
    const [worker] = workers as [Counting];
    visit(worker, 0, CROWD);
    const left = worker.flush(served);
    expect([...left.backends.values()].flat()).toHaveLength(CROWD);
    const open = worker.connect("a", "b0");
    if (isHeard) worker.answered(left);
    reader.workerLost(worker.id);
    worker.answered(left);
    expect(incoherent(reader.counters())).toEqual([]);
    expect(backendsOf(reader.counters()).size).toBe(CROWD);
    expect(reader.counters().routes.get("a")).toMatchObject({ opened: CROWD + 1, closed: { worker_lost: 1 } });
    expect(backendsOf(reader.counters()).get(open.backend)).toMatchObject({ attempts: 2, opened: 2, closed: 2 });
  }
});

test("is coherent, and counts every dial once, while threads let go of backends and count on in their slots", async () => {
  const reader = new TrafficReader();
  const keeper = new KeptSums();
  const rest = new Int32Array(new SharedArrayBuffer(4));
  const workerData: CountingThread = { rest, routes: 4, backends: 300, letsGo: true };
  const resting: Resting[] = [];
  let forgotten = 0;
  const threads = [0, 1].map((worker) => {
    const thread = new Worker(new URL("traffic.fixture.ts", import.meta.url), { workerData, execArgv: [] });
    thread.on("message", (message: { announcement?: TrafficAnnouncement; left?: LeftSlots; rests?: Resting }) => {
      if (message.announcement) reader.announced(worker, message.announcement);
      if (message.left) thread.postMessage(reader.letGo(worker, message.left));
      if (message.rests) resting.push(message.rests);
    });
    return thread;
  });
  const look = (): number => {
    const now = reader.counters();
    expect(incoherent(now)).toEqual([]);
    keeper.keep(now);
    const { backends } = reader.forget(now);
    keeper.forget({ routes: [], backends });
    for (const keys of backends.values()) forgotten += keys.length;
    return forgotten;
  };
  try {
    await expect.poll(look, { interval: 1 }).toBeGreaterThan(5_000);
    Atomics.store(rest, 0, 1);
    await expect.poll(() => resting.length).toBe(2);
    look();
    const dials: Resting["dials"] = new Map();
    for (const [key, each] of resting.flatMap((each) => [...each.dials])) {
      dials.set(
        key,
        each.map((count, i) => count + (dials.get(key)?.[i] ?? 0)),
      );
    }
    const kept = [...keeper.sums]
      .filter(([key]) => key.includes(" "))
      .map(([key, all]) => [key, all.slice(0, 3)] as const);
    expect(new Map(kept)).toEqual(dials);
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
});
