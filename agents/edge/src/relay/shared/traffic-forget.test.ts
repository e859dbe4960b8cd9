import fc from "fast-check";
import { expect, test } from "vitest";
import type { Counters, RouteCounters } from "../relay.ts";
import { type OpenTraffic, Traffic } from "./traffic.ts";
import { TrafficReader } from "./traffic-reader.ts";

interface Open extends OpenTraffic {
  readonly uid: string;
  backendSlot: number;
  rxBytes: number;
}

/** A worker and its coordinator, as far as counting goes. */
class Counting {
  readonly id: number;
  readonly reader: TrafficReader;
  readonly traffic: Traffic;
  readonly open: Open[] = [];
  pages = 0;
  #freed: number[] = [];

  constructor(id: number, reader: TrafficReader) {
    this.id = id;
    this.reader = reader;
    this.traffic = new Traffic((announcement) => {
      if ("page" in announcement) this.pages++;
      reader.announced(id, announcement);
    });
  }

  connect(uid: string, backend: string): Open {
    this.traffic.accept();
    const routeSlot = this.traffic.open(uid);
    const open: Open = { uid, routeSlot, backendSlot: -1, rxBytes: 0, txBytes: 0, flushedRx: 0, flushedTx: 0 };
    open.backendSlot = this.traffic.backend(routeSlot, backend);
    this.traffic.attempt(open.backendSlot);
    this.traffic.openBackend(open.backendSlot, open);
    this.open.push(open);
    return open;
  }

  close(open: Open): void {
    this.traffic.close(open.routeSlot, open.backendSlot, "client_closed", open);
    this.open.splice(this.open.indexOf(open), 1);
  }

  /** The worker's half of a flush, and what it answers. */
  flush(served: ReadonlySet<string>): number[] {
    this.traffic.free(this.#freed.splice(0));
    this.traffic.flush(this.open);
    return this.traffic.letGo((uid) => served.has(uid));
  }

  /** The coordinator's half. */
  answered(left: readonly number[]): void {
    this.reader.letGo(this.id, left);
    this.#freed.push(...left);
  }
}

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
    told += reader.forget(cloned(reader.counters())).length;
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
  expect(reader.forget({ ...before, routes: new Map() })).toEqual([]);
  expect(reader.forget(before)).toEqual(["gone"]);
  expect([...reader.counters().routes.keys()]).toEqual(["served", "open", "-"]);
  worker.close(open);
  flush();
  // What the caller has kept is from before the connection ended.
  expect(reader.forget(before)).toEqual([]);
  expect(reader.forget(cloned(reader.counters()))).toEqual(["open"]);
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
  expect(reader.forget(cloned(reader.counters()))).toEqual([]);
  worker.close(open);
  worker.answered(worker.flush(nothing));
  const kept = cloned(reader.counters());
  expect(reader.forget(kept)).toEqual(["a"]);
  worker.connect("a", "b");
  expect(reader.counters().routes.get("a")).toMatchObject({
    opened: 1,
    closed: {},
    backends: new Map([["b", { attempts: 1, failures: 0, opened: 1, closed: 0, rxBytes: 0, txBytes: 0 }]]),
  });
});

test("gives to whoever keeps the differences every connection and byte once, whatever comes, goes, dies and is forgotten", () => {
  const uids = ["a", "b", "c"];
  const step = fc.record({
    worker: fc.nat(1),
    what: fc.constantFrom(
      "connect",
      "bytes",
      "close",
      "serve",
      "drop",
      "flush",
      "answer",
      "report",
      "settle",
      "fail",
      "die",
    ),
    pick: fc.nat(100),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const reader = new TrafficReader();
      const served = new Set(["c"]);
      let ids = 2;
      const workers = [new Counting(0, reader), new Counting(1, reader)];
      const answers: number[][] = [[], []];
      const truth = new Map<string, { opened: number; rx: number }>(uids.map((uid) => [uid, { opened: 0, rx: 0 }]));
      const sums = new Map<string, { opened: number; closed: number; rx: number; backendRx: number }>();
      const known = new Map<string, RouteCounters>();
      /** What the consumer has read last, until it says that it is safe. */
      let kept: Counters | null = null;
      const settle = (): void => {
        for (const uid of kept === null ? [] : reader.forget(kept)) known.delete(uid);
        kept = null;
      };
      /** What the consumer of counters does. @param works whether it can keep what it has read. */
      const report = (works: boolean): void => {
        settle();
        const now = cloned(reader.counters());
        for (const [uid, route] of now.routes) {
          const before = known.get(uid);
          const more = numbersOf(route).map((each, i) => each - (before ? numbersOf(before)[i]! : 0));
          expect(Math.min(...more)).toBeGreaterThanOrEqual(0);
          if (!works) continue;
          const sum = sums.get(uid) ?? { opened: 0, closed: 0, rx: 0, backendRx: 0 };
          const [opened, closed, rx, backendRx] = more as [number, number, number, number];
          sums.set(uid, {
            opened: sum.opened + opened,
            closed: sum.closed + closed,
            rx: sum.rx + rx,
            backendRx: sum.backendRx + backendRx,
          });
          known.set(uid, route);
        }
        if (works) kept = now;
      };
      for (const { worker, what, pick } of steps) {
        const counting = workers[worker]!;
        const uid = uids[pick % uids.length]!;
        const picked = counting.open[pick % counting.open.length];
        if (what === "connect") {
          counting.connect(uid, `b ${pick % 2}`);
          truth.get(uid)!.opened++;
        } else if (what === "bytes" && picked) picked.rxBytes += pick;
        else if (what === "close" && picked) {
          truth.get(picked.uid)!.rx += picked.rxBytes;
          counting.close(picked);
        } else if (what === "serve") served.add(uid);
        else if (what === "drop") served.delete(uid);
        // One answer is heard before the next flush.
        else if (what === "flush" && answers[worker]!.length === 0) answers[worker] = counting.flush(served);
        else if (what === "answer") counting.answered(answers[worker]!.splice(0));
        else if (what === "settle") settle();
        else if (what === "report" || what === "fail") report(what === "report");
        else if (what === "die") {
          for (const each of counting.open) truth.get(each.uid)!.rx += each.flushedRx;
          reader.workerLost(counting.id);
          workers[worker] = new Counting(ids++, reader);
          answers[worker] = [];
        }
        const { accepted, undecided } = reader.counters();
        expect([accepted, undecided]).toEqual([[...truth.values()].reduce((sum, { opened }) => sum + opened, 0), 0]);
      }
      for (const { id, open } of workers) {
        for (const each of open) truth.get(each.uid)!.rx += each.flushedRx;
        reader.workerLost(id);
      }
      report(true);
      settle();
      for (const [uid, { opened, rx }] of truth) {
        if (opened > 0) expect(sums.get(uid)).toEqual({ opened, closed: opened, rx, backendRx: rx });
      }
      expect(reader.counters().routes.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});

/** Opened, closed, bytes, and bytes of the backends. */
function numbersOf({ opened, closed, rxBytes, backends }: RouteCounters): [number, number, number, number] {
  const closedSum = Object.values(closed).reduce((sum, each) => sum + each, 0);
  return [opened, closedSum, rxBytes, [...backends.values()].reduce((sum, each) => sum + each.rxBytes, 0)];
}
