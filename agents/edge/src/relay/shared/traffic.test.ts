import { Worker } from "node:worker_threads";
import { type CloseReason, closeReasons } from "@helloway/routing/close-reason";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Counters } from "../relay.ts";
import { type OpenTraffic, Traffic, type TrafficAnnouncement } from "./traffic.ts";
import { closedOf, incoherent } from "./traffic-coherence.fixture.ts";
import type { CountingThread, Resting } from "./traffic.fixture.ts";
import { TrafficReader } from "./traffic-reader.ts";

class Open implements OpenTraffic {
  readonly routeSlot: number;
  backendSlot = -1;
  rxBytes = 0;
  txBytes = 0;
  flushedRx = 0;
  flushedTx = 0;

  constructor(routeSlot: number) {
    this.routeSlot = routeSlot;
  }
}

function setUp(workers: number): { reader: TrafficReader; traffics: Traffic[] } {
  const reader = new TrafficReader();
  const traffics = Array.from(
    { length: workers },
    (_, worker) => new Traffic((announcement) => reader.announced(worker, announcement)),
  );
  return { reader, traffics };
}

/** A connection of a route that a backend has. */
function forwarded(traffic: Traffic, uid: string, backend: string): Open {
  traffic.accept();
  const open = new Open(traffic.open(uid));
  open.backendSlot = traffic.backend(open.routeSlot, backend);
  traffic.attempt(open.backendSlot);
  traffic.openBackend(open.backendSlot, open);
  return open;
}

test("counts what the workers did, by route and backend, as one", () => {
  const { reader, traffics } = setUp(2);
  for (const traffic of traffics) {
    const open = forwarded(traffic, "uid", "192.0.2.1:443");
    traffic.overLimit(open.routeSlot);
    open.rxBytes = 100;
    open.txBytes = 2_000;
    traffic.close(open.routeSlot, open.backendSlot, "client_closed", open);
    traffic.accept();
    traffic.close(traffic.open(null), -1, "no_route", Object.assign(new Open(0), { rxBytes: 517, txBytes: 7 }));
  }
  const failing = forwarded(traffics[0]!, "uid", "192.0.2.1:443");
  traffics[0]!.attemptFailed(failing.backendSlot);
  traffics[1]!.accept();
  const backend = { attempts: 3, failures: 1, opened: 3, closed: 2, rxBytes: 200, txBytes: 4_000 };
  expect(reader.counters()).toEqual({
    accepted: 6,
    undecided: 1,
    routes: new Map([
      [
        "uid",
        {
          opened: 3,
          closed: { client_closed: 2 },
          rxBytes: 200,
          txBytes: 4_000,
          overLimit: 2,
          backends: new Map([["192.0.2.1:443", backend]]),
        },
      ],
      [
        "-",
        {
          opened: 2,
          closed: { no_route: 2 },
          rxBytes: 1_034,
          txBytes: 14,
          overLimit: 0,
          backends: new Map<string, never>(),
        },
      ],
    ]),
  } satisfies Counters);
});

test("counts every byte once, whether it was there at a flush or came after it, before a backend had the connection or with it", () => {
  const { reader, traffics } = setUp(1);
  const traffic = traffics[0]!;
  traffic.accept();
  const open = new Open(traffic.open("uid"));
  open.rxBytes = 500;
  traffic.flush([open, new Open(-1)]);
  const bytes = (): number[][] => {
    const route = reader.counters().routes.get("uid")!;
    return [route, ...route.backends.values()].map(({ rxBytes, txBytes }) => [rxBytes, txBytes]);
  };
  expect(bytes()).toEqual([[500, 0]]);
  open.rxBytes = 600;
  open.backendSlot = traffic.backend(open.routeSlot, "b");
  traffic.openBackend(open.backendSlot, open);
  open.txBytes = 50;
  traffic.flush([open]);
  traffic.flush([open]);
  expect(bytes()).toEqual([
    [600, 50],
    [600, 50],
  ]);
  open.rxBytes = 700;
  traffic.close(open.routeSlot, open.backendSlot, "client_closed", open);
  expect(bytes()).toEqual([
    [700, 50],
    [700, 50],
  ]);
});

test("closes as worker_lost what a dead worker had open, undecided or decided, and keeps what it counted", () => {
  const { reader, traffics } = setUp(2);
  const [dying, other] = traffics as [Traffic, Traffic];
  const lost = forwarded(dying, "uid", "b");
  const ended = forwarded(dying, "uid", "b");
  forwarded(other, "uid", "b");
  dying.accept();
  lost.rxBytes = 100;
  dying.flush([lost]);
  dying.close(ended.routeSlot, ended.backendSlot, "cut", ended);
  expect(reader.workerLost(0)).toBe(2);
  expect(reader.workerLost(0)).toBe(0);
  const { accepted, undecided, routes } = reader.counters();
  expect({ accepted, undecided }).toEqual({ accepted: 4, undecided: 0 });
  expect(routes.get("-")).toMatchObject({ opened: 1, closed: { worker_lost: 1 } });
  expect(routes.get("uid")).toMatchObject({ opened: 3, closed: { worker_lost: 1, cut: 1 }, rxBytes: 100 });
  expect(routes.get("uid")!.backends.get("b")).toMatchObject({ opened: 3, closed: 2, rxBytes: 100 });
});

test("tells apart more routes and backends than one page holds", () => {
  const { reader, traffics } = setUp(1);
  for (let route = 0; route < 1_000; route++) {
    for (let backend = 0; backend <= route % 4; backend++) forwarded(traffics[0]!, `uid-${route}`, `b-${backend}`);
  }
  const { routes } = reader.counters();
  expect(routes.size).toBe(1_000);
  for (let route = 0; route < 1_000; route++) {
    const { opened, closed, overLimit, backends } = routes.get(`uid-${route}`)!;
    expect({ opened, closed, overLimit }).toEqual({ opened: 1 + (route % 4), closed: {}, overLimit: 0 });
    expect([...backends.values()].map(({ opened }) => opened)).toEqual(Array.from({ length: opened }, () => 1));
  }
});

test("has exactly the numbers that plain counting gives, at any point", () => {
  const step = fc.record({
    worker: fc.nat(2),
    what: fc.constantFrom("accept", "open", "forward", "bytes", "flush", "close", "die"),
    pick: fc.nat(1_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { reader, traffics } = setUp(3);
      const ids = [0, 1, 2];
      let nextId = 3;
      const counted = { accepted: 0, opened: 0, reasons: new Map<CloseReason, number>(), rx: 0, flushed: 0 };
      const undecided = [0, 0, 0];
      const open: Open[][] = [[], [], []];
      const close = (reason: CloseReason): unknown =>
        counted.reasons.set(reason, (counted.reasons.get(reason) ?? 0) + 1);
      for (const { worker, what, pick } of steps) {
        const traffic = traffics[worker]!;
        const mine = open[worker]!;
        const picked = mine[pick % mine.length];
        if (what === "accept") {
          traffic.accept();
          counted.accepted++;
          undecided[worker]!++;
        } else if (what === "open" && undecided[worker]! > 0) {
          mine.push(new Open(traffic.open(`uid-${pick % 5}`)));
          undecided[worker]!--;
          counted.opened++;
        } else if (what === "forward" && picked?.backendSlot === -1) {
          picked.backendSlot = traffic.backend(picked.routeSlot, `b-${pick % 3}`);
          traffic.openBackend(picked.backendSlot, picked);
        } else if (what === "bytes" && picked) picked.rxBytes += pick;
        else if (what === "flush") traffic.flush(mine);
        else if (what === "close" && picked) {
          const reason = closeReasons[pick % closeReasons.length]!;
          traffic.close(picked.routeSlot, picked.backendSlot, reason, picked);
          mine.splice(mine.indexOf(picked), 1);
          close(reason);
          counted.rx += picked.rxBytes;
        } else if (what === "die") {
          expect(reader.workerLost(ids[worker]!)).toBe(mine.length + undecided[worker]!);
          for (const each of mine) counted.rx += each.flushedRx;
          for (let each = mine.length + undecided[worker]!; each > 0; each--) close("worker_lost");
          counted.opened += undecided[worker]!;
          undecided[worker] = mine.length = 0;
          const id = (ids[worker] = nextId++);
          traffics[worker] = new Traffic((announcement) => reader.announced(id, announcement));
        }
        const counters = reader.counters();
        const routes = [...counters.routes.values()];
        const flushed = open.flat().reduce((sum, { flushedRx }) => sum + flushedRx, 0);
        expect([counters.accepted, counters.undecided]).toEqual([
          counted.accepted,
          undecided.reduce((sum, each) => sum + each),
        ]);
        expect(routes.reduce((sum, { opened }) => sum + opened, 0)).toBe(counted.opened);
        expect(routes.reduce((sum, { rxBytes }) => sum + rxBytes, 0)).toBe(counted.rx + flushed);
        const reasons = new Map<string, number>();
        for (const { closed } of routes) {
          for (const [reason, count] of Object.entries(closed)) reasons.set(reason, (reasons.get(reason) ?? 0) + count);
        }
        expect(reasons).toEqual(counted.reasons);
      }
    }),
    { numRuns: 200 },
  );
});

/** Backends that failed more often than they were dialled. */
function undialled({ routes }: Counters): unknown[] {
  const backends = [...routes.values()].flatMap((route) => [...route.backends.values()]);
  return backends.filter(({ attempts, failures }) => failures > attempts);
}

/** What is less than it was although it should only grow. */
function shrunk(before: Counters, after: Counters): unknown[] {
  const wrong: unknown[] = before.accepted > after.accepted ? ["accepted"] : [];
  for (const [uid, route] of before.routes) {
    const later = after.routes.get(uid);
    if (
      !later ||
      later.opened < route.opened ||
      later.rxBytes < route.rxBytes ||
      later.txBytes < route.txBytes ||
      closedOf(later) < closedOf(route)
    ) {
      wrong.push({ uid, route, later });
    }
  }
  return wrong;
}

function openOf({ routes }: Counters): number {
  return [...routes.values()].reduce((sum, route) => sum + route.opened - closedOf(route), 0);
}

test("is coherent while threads count on, and when one was ended in the middle", async () => {
  const reader = new TrafficReader();
  const rest = new Int32Array(new SharedArrayBuffer(4));
  const resting: Resting[] = [];
  const counting = new Set<number>();
  const workerData: CountingThread = { rest, routes: 300, backends: 3, letsGo: false };
  const threads = [0, 1, 2].map((worker) => {
    const thread = new Worker(new URL("traffic.fixture.ts", import.meta.url), { workerData, execArgv: [] });
    thread.on("message", (message: { announcement?: TrafficAnnouncement; rests?: Resting }) => {
      if (message.announcement) {
        reader.announced(worker, message.announcement);
        counting.add(worker);
      }
      if (message.rests) resting.push(message.rests);
    });
    return thread;
  });
  try {
    await expect.poll(() => counting.size).toBe(threads.length);
    let last = reader.counters();
    const look = (): number => {
      const counters = reader.counters();
      expect(incoherent(counters)).toEqual([]);
      expect(undialled(counters)).toEqual([]);
      expect(shrunk(last, counters)).toEqual([]);
      last = counters;
      return counters.accepted;
    };
    await expect.poll(look, { interval: 1 }).toBeGreaterThan(20_000);
    await threads[0]!.terminate();
    expect(reader.workerLost(0)).toBeGreaterThan(0);
    const accepted = look();
    await expect.poll(look, { interval: 1 }).toBeGreaterThan(accepted + 20_000);
    Atomics.store(rest, 0, 1);
    await expect.poll(() => resting.length).toBe(2);
    look();
    expect(openOf(last)).toBe(resting.reduce((sum, { open }) => sum + open, 0));
    expect(last.undecided).toBe(resting.reduce((sum, { undecided }) => sum + undecided, 0));
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
});
