import fc from "fast-check";
import { expect, test } from "vitest";
import type { Counters } from "../relay.ts";
import { incoherent } from "./traffic-coherence.fixture.ts";
import { type CountedConnection, Counting } from "./traffic-counting.fixture.ts";
import { type KeptNumbers, KeptSums } from "./traffic-kept.fixture.ts";
import type { LeftSlots } from "./traffic.ts";
import { TrafficReader } from "./traffic-reader.ts";

const nothing: ReadonlySet<string> = new Set();

function cloned(counters: Counters): Counters {
  return structuredClone(counters);
}

test("needs no more memory for a hundred thousand routes that come and go than for those that are there at once", () => {
  const reader = new TrafficReader();
  const worker = new Counting(1, reader);
  let told = 0;
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i < 1_000; i++) worker.close(worker.connect(`uid ${round} ${i}`, "b"));
    worker.answered(worker.flush(nothing));
    told += reader.forget(cloned(reader.counters())).routes.length;
    expect(reader.counters().routes.size).toBeLessThanOrEqual(2_000);
  }
  expect(told).toBe(100_000);
  // A thousand routes and backends are 42 pages.
  expect(worker.pages).toBeLessThan(100);
  expect(reader.counters()).toEqual({ accepted: 100_000, undecided: 0, routes: new Map() });
});

test("keeps what is served, what has something open, and what nobody has kept yet", () => {
  const reader = new TrafficReader();
  const worker = new Counting(1, reader);
  worker.close(worker.connect("served", "b"));
  const open = worker.connect("open", "b");
  worker.close(worker.connect("gone", "b"));
  worker.traffic.accept();
  const refused = worker.traffic.open(null);
  worker.traffic.close(refused, -1, "no_route", { ...open, backendSlot: -1 });
  const served = new Set(["served"]);
  const flush = (): void => worker.answered(worker.flush(served));
  flush();
  const before = cloned(reader.counters());
  flush();
  flush();
  expect(reader.counters()).toEqual(before);
  expect(reader.forget({ ...before, routes: new Map() }).routes).toEqual([]);
  expect(reader.forget(before).routes).toEqual(["gone"]);
  expect([...reader.counters().routes.keys()]).toEqual(["served", "open", "-"]);
  worker.close(open);
  flush();
  // What the caller has kept is from before the connection ended.
  expect(reader.forget(before).routes).toEqual([]);
  expect(reader.forget(cloned(reader.counters())).routes).toEqual(["open"]);
});

test("counts a route that is back from nothing once it was forgotten, and adds to what it had before", () => {
  const reader = new TrafficReader();
  const worker = new Counting(1, reader);
  worker.close(worker.connect("a", "b"));
  const left = worker.flush(nothing);
  // It is back before the coordinator has heard that it was let go.
  const open = worker.connect("a", "b");
  expect(reader.counters().routes.get("a")).toMatchObject({ opened: 2, closed: { client_closed: 1 } });
  worker.answered(left);
  expect(reader.counters().routes.get("a")).toMatchObject({ opened: 2, closed: { client_closed: 1 } });
  expect(reader.forget(cloned(reader.counters())).routes).toEqual([]);
  worker.close(open);
  worker.answered(worker.flush(nothing));
  const kept = cloned(reader.counters());
  expect(reader.forget(kept).routes).toEqual(["a"]);
  worker.connect("a", "b");
  expect(reader.counters().routes.get("a")).toMatchObject({
    opened: 1,
    closed: {},
    backends: new Map([["b", { attempts: 1, failures: 0, opened: 1, closed: 0, rxBytes: 0, txBytes: 0 }]]),
  });
});

/** What a worker may do, and its coordinator, and who keeps what they count. */
const steps = "connect dial dialled failed bytes close crowd serve drop flush answer report settle fail die".split(" ");

test("gives to whoever keeps the differences every connection and byte once, whatever comes, goes, dies and is forgotten", () => {
  const uids = ["a", "b", "c"];
  const step = fc.record({ worker: fc.nat(1), what: fc.constantFrom(...steps), pick: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const reader = new TrafficReader();
      const served = new Set(["c"]);
      let ids = 2;
      const workers = [new Counting(0, reader), new Counting(1, reader)];
      const answers: LeftSlots[][] = [[], []];
      const truth: KeptNumbers = new Map();
      let accepted = 0;
      const keeper = new KeptSums();
      /** What the keeper has read last, until it says that it is safe. */
      let kept: Counters | null = null;
      const count = (key: string, more: readonly number[]): unknown =>
        truth.set(
          key,
          more.map((each, i) => each + (truth.get(key)?.[i] ?? 0)),
        );
      const dialled = (open: CountedConnection): void => {
        accepted++;
        count(open.uid, [1, 0, 0, 0]);
        count(`${open.uid} ${open.backend}`, [1, 0, 0, 0, 0, 0]);
      };
      /** @param rx of its bytes, those that count. */
      const ended = ({ uid, backend, backendSlot }: CountedConnection, rx: number): void => {
        count(uid, [0, 1, rx, 0]);
        if (backendSlot !== -1) count(`${uid} ${backend}`, [0, 0, 1, 1, rx, 0]);
      };
      const die = (counting: Counting): void => {
        for (const open of counting.open) ended(open, open.flushedRx);
        reader.workerLost(counting.id);
      };
      const settle = (): void => {
        if (kept !== null) keeper.forget(reader.forget(kept));
        kept = null;
      };
      /** @param works whether the keeper can keep what it has read. */
      const report = (works: boolean): void => {
        settle();
        const now = cloned(reader.counters());
        keeper.check(now);
        if (!works) return;
        keeper.keep(now);
        kept = now;
      };
      for (const { worker, what, pick } of steps) {
        const counting = workers[worker]!;
        const uid = uids[pick % uids.length]!;
        const picked = counting.open[pick % counting.open.length];
        if (what === "connect") dialled(counting.connect(uid, `b${pick % 2}`));
        else if (what === "dial") dialled(counting.dial(uid, `b${pick % 2}`));
        else if (what === "dialled" && picked?.backendSlot === -1) counting.dialled(picked);
        else if (what === "failed" && picked?.backendSlot === -1) {
          ended(picked, picked.rxBytes);
          count(`${picked.uid} ${picked.backend}`, [0, 1, 0, 0, 0, 0]);
          counting.failed(picked);
        } else if (what === "bytes" && picked) picked.rxBytes += pick;
        else if (what === "close" && picked) {
          ended(picked, picked.rxBytes);
          counting.close(picked);
        } else if (what === "crowd") {
          for (let i = 0; i <= 128; i++) {
            const open = counting.connect(uid, `b${i}`);
            dialled(open);
            ended(open, 0);
            counting.close(open);
          }
        } else if (what === "serve") served.add(uid);
        else if (what === "drop") served.delete(uid);
        else if (what === "flush") answers[worker]!.push(counting.flush(served));
        else if (what === "answer") answers[worker]!.splice(0, 1).forEach((left) => counting.answered(left));
        else if (what === "settle") settle();
        else if (what === "report" || what === "fail") report(what === "report");
        else if (what === "die") {
          die(counting);
          workers[worker] = new Counting(ids++, reader);
          answers[worker]!.splice(0).forEach((left) => counting.answered(left));
        }
        const now = reader.counters();
        expect([now.accepted, now.undecided]).toEqual([accepted, 0]);
        expect(incoherent({ ...now, accepted: openedOf(now) })).toEqual([]);
      }
      for (const each of workers) die(each);
      report(true);
      settle();
      expect(keeper.sums).toEqual(truth);
      expect(keeper.toldCount).toBe(0);
      expect(reader.counters().routes.size).toBe(0);
    }),
    { numRuns: 100 },
  );
});

function openedOf({ routes }: Counters): number {
  return [...routes.values()].reduce((sum, { opened }) => sum + opened, 0);
}
