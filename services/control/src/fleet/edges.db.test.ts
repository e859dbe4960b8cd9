import { randomUUID } from "node:crypto";
import { createFleet, described, type Fleet } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { edgeRefusals, edges } from "../db/schema/edges.ts";
import { installation } from "../db/schema/installation.ts";
import { pools } from "../db/schema/pools.ts";
import { edgeBoots, trafficTotalCloses, trafficTotals } from "../db/schema/traffic.ts";
import type { Context } from "./context.ts";
import { deleteEdge, getEdge, listEdges, putEdge } from "./edges.ts";

eachDatabase((open) => {
  let database: Database;
  let fleet: Fleet;
  let ours: Context;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database);
    ours = await fleet.team("ours");
    await fleet.pool("main");
    const [pool] = await database.db.select().from(pools);
    for (const name of ["a", "b", "c"]) await database.db.insert(edges).values({ name, poolId: pool?.id ?? "" });
  });

  const set = (values: Partial<typeof edges.$inferInsert>) =>
    database.db.update(edges).set(values).where(eq(edges.name, "a"));
  const state = async () => (await getEdge(fleet.viewer, { name: "a" })).status.state;

  test("an edge's state is derived from what it did", async () => {
    const [own] = await database.db.select().from(installation);
    const epoch = own?.epoch ?? 0;
    expect(await state()).toBe("joining");
    await set({ appliedEpoch: epoch, appliedRevision: 0, appliedAt: new Date() });
    expect(await state()).toBe("stale");
    await set({ seenAt: new Date() });
    expect(await state()).toBe("behind");
    await set({ appliedRevision: 1 });
    expect(await state()).toBe("up");
    await set({ appliedEpoch: epoch + 1 });
    expect(await state()).toBe("behind");
    await set({ disconnectedAt: new Date() });
    expect(await state()).toBe("stale");
    await set({ disconnectedAt: null, seenAt: new Date(Date.now() - 31_000) });
    expect(await state()).toBe("stale");
    await set({ revokedAt: new Date() });
    expect(await state()).toBe("revoked");
  });

  test("its view says what it should have, has, keeps and refuses", async () => {
    const { id } = (await database.db.select().from(edges).where(eq(edges.name, "a")))[0] ?? { id: "" };
    await set({
      revokedAt: null,
      seenAt: new Date(),
      savedRevision: 1,
      diskError: "full",
      agentVersion: "1",
      addresses: ["192.0.2.1"],
    });
    const hash = new Uint8Array(32);
    await database.db
      .insert(edgeRefusals)
      .values({ edgeId: id, kind: 1, objectId: "x", offeredHash: hash, code: "c", detail: "d" });
    expect((await getEdge(fleet.admin, { name: "a" })).status).toMatchObject({
      pool: "main",
      desired: { revision: 1 },
      applied: { revision: 1, at: expect.any(Date) },
      saved: { revision: 1, error: "full" },
      refused: 1,
      connected: true,
      agentVersion: "1",
      addresses: ["192.0.2.1"],
    });
  });

  test("people write labels and descriptions, and make none", async () => {
    const write = (name: string, put: object, precondition = {}) =>
      putEdge(fleet.admin, { name, put: { ...described, ...put }, precondition });
    expect((await write("b", { labels: { rack: "4" } }, { ifMatch: 1 })).object).toMatchObject({
      version: 2,
      labels: { rack: "4" },
    });
    expect((await write("b", { labels: { rack: "4" } })).object.version).toBe(2);
    await expect(write("b", {}, { ifMatch: 1 })).rejects.toMatchObject({ kind: "precondition_failed" });
    await expect(write("new", {})).rejects.toMatchObject({ kind: "not_found" });
  });

  test("administrators and viewers read, administrators write, teams neither", async () => {
    await expect(listEdges(ours, { limit: 1, cursor: null })).rejects.toMatchObject({ kind: "forbidden" });
    await expect(getEdge(ours, { name: "a" })).rejects.toMatchObject({ kind: "forbidden" });
    await expect(deleteEdge(fleet.viewer, { name: "a", precondition: {} })).rejects.toMatchObject({
      kind: "forbidden",
    });
    const first = await listEdges(fleet.viewer, { limit: 2, cursor: null });
    const second = await listEdges(fleet.viewer, { limit: 2, cursor: first.nextCursor });
    expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(second.nextCursor).toBeNull();
  });

  test("what a deleted edge had open is closed as edge_lost, and its totals stay", async () => {
    const [edge] = await database.db.select().from(edges).where(eq(edges.name, "b"));
    const key = { edgeId: edge?.id ?? "", bootId: randomUUID() };
    const at = new Date();
    await database.db.insert(edgeBoots).values({ ...key, appliedSequence: 1, firstReportAt: at, lastEndAt: at });
    await database.db
      .insert(trafficTotals)
      .values({ ...key, routeUid: "r", opened: 5, closed: 3, rxBytes: 10, txBytes: 20 });
    await deleteEdge(fleet.admin, { name: "b", precondition: {} });
    const totals = await database.db.select().from(trafficTotals).where(eq(trafficTotals.routeUid, "r"));
    expect(totals).toMatchObject([{ opened: 5, closed: 5, rxBytes: 10, txBytes: 20 }]);
    const closes = await database.db.select().from(trafficTotalCloses).where(eq(trafficTotalCloses.routeUid, "r"));
    expect(closes).toMatchObject([{ reason: "edge_lost", closed: 2 }]);
  });

  test("a deleted edge is gone", async () => {
    await deleteEdge(fleet.admin, { name: "c", precondition: { ifMatch: "*" } });
    await expect(getEdge(fleet.admin, { name: "c" })).rejects.toMatchObject({ kind: "not_found" });
    await expect(deleteEdge(fleet.admin, { name: "c", precondition: {} })).rejects.toMatchObject({ kind: "not_found" });
  });
});
