import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, test } from "vitest";
import { type OpenDatabase, eachDatabase } from "../../../../test/harness/database.ts";
import { type Fleet, createFleet } from "../../../../test/harness/fleet.ts";
import type { Db } from "../db/database.ts";
import { edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import { routes } from "../db/schema/routes.ts";
import { backendMinutes, edgeBoots, reportGaps, trafficMinutes } from "../db/schema/traffic.ts";
import { type ReportedRoute, type TrafficReport, applyReport } from "./reports.ts";
import { deleteRoute } from "./routes.ts";
import { type RouteStats, getRouteStats } from "./stats.ts";

const minuteMs = 60_000;
const start = new Date("2026-11-23T12:00:00Z");
/** The clock of the control plane. */
const now = new Date("2026-11-23T12:30:00Z");

interface World {
  db: Db;
  fleet: Fleet;
  poolId: string;
  /** A new route of team payments; its uid. */
  route(name: string): Promise<string>;
  /** A new edge; its id. */
  edge(): Promise<string>;
  stats(route: string, span?: { from?: Date; to?: Date; stepMs?: number }): Promise<RouteStats>;
  report(edgeId: string, report: TrafficReport): ReturnType<typeof applyReport>;
}

async function createWorld(open: OpenDatabase): Promise<World> {
  const database = await open();
  const { db } = database;
  const fleet = await createFleet(database, () => now);
  await fleet.pool("main");
  await fleet.team("payments");
  await fleet.domain("payments", "example.com");
  const [pool] = await db.select().from(pools);
  const poolId = pool!.id;
  return {
    db,
    fleet,
    poolId,
    async route(name) {
      await fleet.route(fleet.admin, "payments", name, { hostnames: [`${name}.example.com`] });
      const { rows } = await db.execute<{ id: string }>(`select id from routes where name = '${name}'`);
      return rows[0]!.id;
    },
    async edge() {
      const id = randomUUID();
      await db.insert(edges).values({ id, name: id, poolId });
      return id;
    },
    stats: (route, span = {}) => getRouteStats(fleet.admin, { team: "payments", route, ...span }),
    report: (edgeId, report) => applyReport(db, { edge: { edgeId, poolId }, report, now }),
  };
}

const traffic = (uid: string, counts: Partial<Omit<ReportedRoute, "uid">> = {}): ReportedRoute => ({
  uid,
  opened: 0,
  closed: [],
  rxBytes: 0,
  txBytes: 0,
  overLimit: 0,
  backends: [],
  ...counts,
});

const reportOf = (bootId: string, sequence: number, routes: ReportedRoute[], atMinute = 0): TrafficReport => ({
  bootId,
  sequence,
  start: new Date(start.getTime() + atMinute * minuteMs),
  end: new Date(start.getTime() + atMinute * minuteMs + 10_000),
  routes,
  lost: null,
});

eachDatabase((open) => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(open);
  });

  test("a report is in the totals and in its minute", async () => {
    const uid = await world.route("plain");
    const edge = await world.edge();
    const boot = randomUUID();
    const backend = { attempts: 4, failures: 1, opened: 3, closed: 2, rxBytes: 10, txBytes: 20 };
    const outcome = await world.report(
      edge,
      reportOf(boot, 1, [
        traffic(uid, {
          opened: 3,
          closed: [
            { reason: "client_closed", count: 1 },
            { reason: "idle_timeout", count: 1 },
          ],
          rxBytes: 1_000_000_000_000,
          txBytes: 20,
          overLimit: 5,
          backends: [{ backend: "192.0.2.1:443", ...backend }],
        }),
      ]),
    );
    expect(outcome).toEqual({ appliedSequence: 1, applied: true, unknownUids: [], gap: null });
    const counts = {
      opened: 3,
      active: 1,
      closed: 2,
      rxBytes: 1_000_000_000_000,
      txBytes: 20,
      overLimit: 5,
      reasons: { client_closed: 1, idle_timeout: 1 },
    };
    expect(await world.stats("plain")).toEqual({ totals: counts, series: [] });
    const to = new Date(start.getTime() + 2 * minuteMs);
    const quiet = { opened: 0, active: 1, closed: 0, rxBytes: 0, txBytes: 0, overLimit: 0, reasons: {} };
    expect(await world.stats("plain", { from: start, to })).toEqual({
      totals: counts,
      series: [
        { at: start, ...counts },
        { at: new Date(start.getTime() + minuteMs), ...quiet },
      ],
    });
    const rows = await world.db.select().from(backendMinutes).where(eq(backendMinutes.routeUid, uid));
    expect(rows).toMatchObject([{ backend: "192.0.2.1:443", minute: start, ...backend }]);
  });

  test("each report counts once, however often and in whatever order it comes", async () => {
    const uid = await world.route("once");
    const edge = await world.edge();
    const boot = randomUUID();
    const nth = (sequence: number): TrafficReport =>
      reportOf(
        boot,
        sequence,
        [traffic(uid, { opened: 10 ** sequence, rxBytes: sequence, overLimit: 10 ** sequence })],
        sequence,
      );
    const answers: number[] = [];
    for (const sequence of [2, 1, 1, 3, 2, 2, 4, 3, 1, 4]) {
      answers.push((await world.report(edge, nth(sequence))).appliedSequence);
    }
    expect(answers).toEqual([0, 1, 1, 1, 2, 2, 2, 3, 3, 4]);
    expect((await world.stats("once")).totals).toMatchObject({
      opened: 11_110,
      active: 11_110,
      rxBytes: 10,
      overLimit: 11_110,
    });
  });

  test("reports after lost ones count once they declare the loss, which is kept as a gap", async () => {
    const uid = await world.route("gap");
    const edge = await world.edge();
    const boot = randomUUID();
    const nth = (sequence: number, lost: TrafficReport["lost"] = null): TrafficReport => ({
      ...reportOf(boot, sequence, [traffic(uid, { opened: 10 ** sequence })]),
      lost,
    });
    const { applied } = await world.report(edge, nth(3));
    expect(applied).toBe(false);
    expect(await world.report(edge, nth(3, { from: 1, to: 2 }))).toMatchObject({
      appliedSequence: 3,
      gap: { from: 1, to: 2 },
    });
    expect(await world.report(edge, nth(3, { from: 1, to: 2 }))).toMatchObject({ applied: false, gap: null });
    expect(await world.report(edge, nth(6, { from: 5, to: 5 }))).toMatchObject({ appliedSequence: 3, applied: false });
    expect(await world.report(edge, nth(6, { from: 2, to: 5 }))).toMatchObject({ gap: { from: 4, to: 5 } });
    expect((await world.stats("gap")).totals).toMatchObject({ opened: 1_001_000 });
    const gaps = await world.db.select().from(reportGaps).where(eq(reportGaps.edgeId, edge));
    expect(gaps.map(({ fromSequence, toSequence }) => [fromSequence, toSequence])).toEqual([
      [1, 2],
      [4, 5],
    ]);
  });

  test("what was opened in a lost report and closed in a later one is both", async () => {
    const uid = await world.route("half");
    const edge = await world.edge();
    const boot = randomUUID();
    const report = reportOf(boot, 2, [traffic(uid, { opened: 1, closed: [{ reason: "client_closed", count: 3 }] })]);
    await world.report(edge, { ...report, lost: { from: 1, to: 1 } });
    const to = new Date(start.getTime() + minuteMs);
    const { totals, series } = await world.stats("half", { from: start, to });
    expect(totals).toMatchObject({ opened: 3, closed: 3, active: 0 });
    expect(series).toMatchObject([{ opened: 3, closed: 3 }]);
  });

  test("a report that comes many times at one moment counts once", async () => {
    const uid = await world.route("crowd");
    const edge = await world.edge();
    const boot = randomUUID();
    for (const sequence of [1, 2, 3]) {
      const report = reportOf(boot, sequence, [traffic(uid, { opened: 1, closed: [{ reason: "cut", count: 1 }] })]);
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => world.report(edge, report)));
      expect(outcomes.filter(({ applied }) => applied)).toHaveLength(1);
      expect(new Set(outcomes.map(({ appliedSequence }) => appliedSequence))).toEqual(new Set([sequence]));
    }
    expect((await world.stats("crowd")).totals).toMatchObject({ opened: 3, closed: 3, reasons: { cut: 3 } });
  });

  test("reports of five edges at once add up", async () => {
    const uid = await world.route("sum");
    const perEdge = 40;
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const [edge, boot] = [await world.edge(), randomUUID()];
        for (let sequence = 1; sequence <= perEdge; sequence++) {
          const sums = [traffic(uid, { opened: 2, closed: [{ reason: "backend_closed", count: 2 }], txBytes: 7 })];
          await world.report(edge, reportOf(boot, sequence, sums, sequence % 5));
        }
      }),
    );
    const expected = { opened: 400, active: 0, closed: 400, txBytes: 1400, reasons: { backend_closed: 400 } };
    const { totals } = await world.stats("sum");
    expect(totals).toMatchObject(expected);
    const { totals: summed, series } = await world.stats("sum", { from: start, to: now });
    expect(summed).toEqual(totals);
    expect(series.map(({ opened }) => opened).slice(0, 6)).toEqual([80, 80, 80, 80, 80, 0]);
  });

  describe("when a new boot of an edge reports", () => {
    const open3 = (uid: string) => [traffic(uid, { opened: 5, closed: [{ reason: "cut" as const, count: 2 }] })];

    test("what the old one left open is closed as edge_lost", async () => {
      const uid = await world.route("lost");
      const edge = await world.edge();
      const [before, after] = [randomUUID(), randomUUID()];
      await world.report(edge, reportOf(before, 1, open3(uid)));
      expect((await world.stats("lost")).totals.active).toBe(3);
      await world.report(edge, reportOf(after, 1, [traffic(uid, { opened: 1 })], 3));
      const { totals } = await world.stats("lost");
      expect(totals).toMatchObject({ opened: 6, active: 1, closed: 5, reasons: { cut: 2, edge_lost: 3 } });
      const { totals: summed, series } = await world.stats("lost", { from: start, to: now });
      expect(summed).toEqual(totals);
      expect(series.slice(0, 5).map(({ active }) => active)).toEqual([3, 3, 3, 1, 1]);
    });

    test("reports of the old one that come late are counted, and correct how many were lost", async () => {
      const uid = await world.route("late");
      const edge = await world.edge();
      const [before, after] = [randomUUID(), randomUUID()];
      await world.report(edge, reportOf(before, 1, open3(uid)));
      await world.report(edge, reportOf(after, 1, [traffic(uid, { opened: 1 })], 3));
      const closes = [{ reason: "client_closed" as const, count: 2 }];
      await world.report(edge, reportOf(before, 2, [traffic(uid, { closed: closes })], 1));
      await world.report(edge, reportOf(before, 3, [traffic(uid, { opened: 4 })], 2));
      const { totals } = await world.stats("late");
      expect(totals).toMatchObject({
        opened: 10,
        active: 1,
        closed: 9,
        reasons: { cut: 2, client_closed: 2, edge_lost: 5 },
      });
      expect((await world.stats("late", { from: start, to: now })).totals).toEqual(totals);
    });

    test("an old boot whose first report comes after the new one's does not take its place", async () => {
      const uid = await world.route("old");
      const edge = await world.edge();
      const [before, after] = [randomUUID(), randomUUID()];
      await world.report(edge, reportOf(after, 1, [traffic(uid, { opened: 2 })], 5));
      await world.report(edge, reportOf(before, 1, open3(uid), 1));
      await world.report(edge, reportOf(after, 2, [traffic(uid, { opened: 1 })], 6));
      const { totals } = await world.stats("old");
      expect(totals).toMatchObject({ opened: 8, active: 3, closed: 5, reasons: { cut: 2, edge_lost: 3 } });
    });

    test("two boots whose first reports come at one moment leave one of them open", async () => {
      const uid = await world.route("race");
      const edge = await world.edge();
      const boots = [randomUUID(), randomUUID(), randomUUID()];
      await Promise.all(
        boots.map((boot, index) => world.report(edge, reportOf(boot, 1, [traffic(uid, { opened: 1 })], index))),
      );
      expect((await world.stats("race")).totals).toMatchObject({ opened: 3, active: 1, reasons: { edge_lost: 2 } });
      const rows = await world.db.select().from(edgeBoots).where(eq(edgeBoots.edgeId, edge));
      expect(rows.filter(({ supersededAt }) => supersededAt === null)).toMatchObject([{ bootId: boots[2] }]);
    });
  });

  test("a route of another pool, and one that never was, are left out", async () => {
    const uid = await world.route("mine");
    await world.fleet.pool("other");
    await world.fleet.route(world.fleet.admin, "payments", "theirs", { pool: "other", hostnames: ["o.example.com"] });
    const { rows } = await world.db.execute<{ id: string }>(`select id from routes where name = 'theirs'`);
    const strangers = [rows[0]!.id, randomUUID()];
    const reported = [uid, ...strangers].map((one) => traffic(one, { opened: 1 }));
    const outcome = await world.report(await world.edge(), reportOf(randomUUID(), 1, reported));
    expect(outcome).toMatchObject({ applied: true, unknownUids: strangers });
    expect((await world.stats("mine")).totals.opened).toBe(1);
    expect((await world.stats("theirs")).totals.opened).toBe(0);
  });

  test("what a route does after it was deleted still counts for its uid, and a new one of its name begins at zero", async () => {
    const uid = await world.route("again");
    const edge = await world.edge();
    const boot = randomUUID();
    await world.report(edge, reportOf(boot, 1, [traffic(uid, { opened: 1 })]));
    await deleteRoute(world.fleet.admin, { team: "payments", name: "again", precondition: {} });
    const closed = [{ reason: "client_closed" as const, count: 1 }];
    const outcome = await world.report(edge, reportOf(boot, 2, [traffic(uid, { closed })]));
    // An edge that never reported it before may have been serving it as well.
    const other = await world.report(await world.edge(), reportOf(randomUUID(), 1, [traffic(uid, { opened: 1 })]));
    expect([outcome.unknownUids, other.unknownUids]).toEqual([[], []]);
    await world.route("again");
    expect((await world.stats("again")).totals).toMatchObject({ opened: 0, active: 0, closed: 0 });
  });

  test("what belongs to no route is counted by pool", async () => {
    const edge = await world.edge();
    const uids = ["-", "@noSni", "@unmatched"];
    const boot = randomUUID();
    await world.report(
      edge,
      reportOf(
        boot,
        1,
        uids.map((uid) => traffic(uid, { opened: 1 })),
      ),
    );
    const rows = await world.db.select().from(trafficMinutes).where(eq(trafficMinutes.edgeId, edge));
    expect(rows.map(({ routeUid }) => routeUid).toSorted()).toEqual(
      uids.map((uid) => `${uid}:${world.poolId}`).toSorted(),
    );
  });

  test("a report from more than a day ahead is in the totals only", async () => {
    const uid = await world.route("future");
    const edge = await world.edge();
    const ahead = reportOf(randomUUID(), 1, [traffic(uid, { opened: 1, rxBytes: 5 })], 25 * 60 + 30);
    await world.report(edge, ahead);
    expect((await world.stats("future")).totals).toMatchObject({ opened: 1, rxBytes: 5 });
    expect(await world.db.select().from(trafficMinutes).where(eq(trafficMinutes.routeUid, uid))).toEqual([]);
    // A clock that was ahead does not keep the boots after it from being the newest.
    await world.report(edge, reportOf(randomUUID(), 1, [traffic(uid, { opened: 1 })], 31));
    expect((await world.stats("future")).totals).toMatchObject({ opened: 2, active: 1, reasons: { edge_lost: 1 } });
  });

  test("a report that closes more than was opened changes nothing", async () => {
    const uid = await world.route("negative");
    const edge = await world.edge();
    const boot = randomUUID();
    const closed = [{ reason: "cut" as const, count: 2 }];
    await expect(world.report(edge, reportOf(boot, 1, [traffic(uid, { opened: 1, closed })]))).rejects.toMatchObject({
      code: "bad_report",
    });
    expect((await world.stats("negative")).totals).toMatchObject({ opened: 0, closed: 0 });
    expect((await world.report(edge, reportOf(boot, 1, [traffic(uid, { opened: 2, closed })]))).applied).toBe(true);
  });

  test("an empty report counts as one", async () => {
    expect(await world.report(await world.edge(), reportOf(randomUUID(), 1, []))).toMatchObject({ appliedSequence: 1 });
  });

  test("a report of 5,000 routes is taken", async () => {
    const edge = await world.edge();
    const uids = Array.from({ length: 5_000 }, () => randomUUID());
    const rows = uids.map((id, index) => ({
      id,
      teamId: "",
      name: `many-${index}`,
      poolId: world.poolId,
      spec: {} as never,
      revision: 1,
    }));
    const { rows: teams } = await world.db.execute<{ id: string }>(`select id from teams`);
    for (let at = 0; at < rows.length; at += 1_000) {
      await world.db.insert(routes).values(rows.slice(at, at + 1_000).map((row) => ({ ...row, teamId: teams[0]!.id })));
    }
    const backends = [
      { backend: "192.0.2.1:443", attempts: 1, failures: 0, opened: 1, closed: 1, rxBytes: 1, txBytes: 1 },
    ];
    const closed = [{ reason: "client_closed" as const, count: 1 }];
    const boot = randomUUID();
    for (const sequence of [1, 2]) {
      const many = uids.map((uid) => traffic(uid, { opened: 1, closed, rxBytes: 5, backends }));
      expect(await world.report(edge, reportOf(boot, sequence, many))).toMatchObject({
        applied: true,
        unknownUids: [],
      });
    }
    expect((await world.stats("many-4999")).totals).toMatchObject({ opened: 2, closed: 2, rxBytes: 10 });
  });

  describe("a span of statistics", () => {
    test("is cut into steps that begin at its beginning", async () => {
      const uid = await world.route("steps");
      const edge = await world.edge();
      const boot = randomUUID();
      for (const [index, minute] of [0, 4, 5, 9, 10].entries()) {
        await world.report(edge, reportOf(boot, index + 1, [traffic(uid, { opened: 1 })], minute));
      }
      const { series, totals } = await world.stats("steps", {
        from: start,
        to: new Date(start.getTime() + 11 * minuteMs),
        stepMs: 5 * minuteMs,
      });
      expect(series.map(({ opened, active }) => [opened, active])).toEqual([
        [2, 2],
        [2, 4],
        [1, 5],
      ]);
      expect(totals).toMatchObject({ opened: 5, active: 5 });
      const part = await world.stats("steps", { from: start, to: new Date(start.getTime() + 5 * minuteMs) });
      expect(part.totals).toMatchObject({ opened: 2, active: 2 });
    });

    test("is refused when it is empty or would have too many items", async () => {
      await world.route("span");
      const later = new Date(start.getTime() + 48 * 60 * minuteMs);
      await expect(world.stats("span", { from: later, to: start })).rejects.toMatchObject({ code: "out_of_range" });
      await expect(world.stats("span", { from: start, to: later, stepMs: minuteMs })).rejects.toMatchObject({
        code: "out_of_range",
      });
      expect((await world.stats("span", { from: start, to: later })).series).toHaveLength(1_440);
    });

    test("is only for who may read the team", async () => {
      await world.route("private");
      await world.fleet.team("strangers");
      const stranger = await world.fleet.member("strangers");
      await expect(getRouteStats(stranger, { team: "payments", route: "private" })).rejects.toMatchObject({
        kind: "not_found",
      });
      const member = await world.fleet.member("payments", "reader");
      expect((await getRouteStats(member, { team: "payments", route: "private" })).series).toEqual([]);
      await expect(getRouteStats(member, { team: "payments", route: "none" })).rejects.toMatchObject({
        kind: "not_found",
      });
    });
  });
});
