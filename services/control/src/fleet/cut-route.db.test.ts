import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../../../test/harness/control-plane.ts";
import { eachDatabase } from "../../../../test/harness/database.ts";
import { type ConnectOptions, type TestEdge, connectEdge, enrolEdge } from "../../../../test/harness/edge-client.ts";
import { auditEvents } from "../db/schema/audit.ts";
import { edgeRequests } from "../db/schema/edge-requests.ts";
import { edges } from "../db/schema/edges.ts";
import { routes } from "../db/schema/routes.ts";
import type { Context } from "./context.ts";
import { type RouteCut, type RouteCutStatus, awaitCut, cutRoute } from "./cut-route.ts";
import { recordRequestResult } from "./edge-requests.ts";

const never = new AbortController().signal;
const hello = { features: ["cut"] };

eachDatabase((open) => {
  let control: ControlPlane;
  let owner: Context;

  beforeAll(async () => {
    // Notifications alone, but for the tests that say otherwise.
    control = await startControlPlane(await open(), { pollMs: 3_600_000 });
    owner = await control.fleet.team("payments");
    await control.fleet.domain("payments", "example.com");
  });

  /** A pool of its own with a route of that name and edges. */
  async function arrange(name: string, ...edgeNames: string[]): Promise<{ uid: string; edges: TestEdge[] }> {
    const pool = `pool-${name}`;
    await control.fleet.pool(pool);
    await control.fleet.route(owner, "payments", name, { pool, hostnames: [`${name}.example.com`] });
    const [route] = await control.database.db.select().from(routes).where(eq(routes.name, name));
    const enrolled: TestEdge[] = [];
    for (const edge of edgeNames) enrolled.push(await enrolEdge(control, pool, edge));
    return { uid: route!.id, edges: enrolled };
  }
  async function connect(edge: TestEdge, options: ConnectOptions = {}): Promise<ReturnType<typeof connectEdge>> {
    const connection = connectEdge(edge, { hello, ...options });
    await connection.welcome;
    return connection;
  }
  const cut = (name: string, ctx = owner): Promise<RouteCut> => cutRoute(ctx, { team: "payments", name });
  const outcome = (made: RouteCut, waitMs: number, ctx = owner): Promise<RouteCutStatus> =>
    awaitCut(ctx, { cut: made, waitMs, signal: never });
  const requestOf = (made: RouteCut): string => {
    const [first] = made.edges;
    if (first?.asked.yes !== true) throw new Error("no edge was asked");
    return first.asked.request;
  };
  const rowOf = async (id: string) => {
    const [row] = await control.database.db.select().from(edgeRequests).where(eq(edgeRequests.id, id));
    return row;
  };

  test("every connected edge of the pool is asked at once, and what they cut is added up", async () => {
    const { uid, edges: members } = await arrange("all", "all-1", "all-2");
    const first = await connect(members[0]!, { answer: () => ({ connections: 3n }) });
    await connect(members[1]!, { answer: () => ({ connections: 4n }) });
    const elsewhere = await arrange("elsewhere", "elsewhere-1");
    const other = await connect(elsewhere.edges[0]!);
    expect(await outcome(await cut("all"), 20_000)).toEqual({
      connections: 7,
      edges: [
        { edge: "all-1", state: "done", connections: 3 },
        { edge: "all-2", state: "done", connections: 4 },
      ],
    });
    expect(first.requests).toMatchObject([{ action: { case: "cut", value: { routeUid: uid } } }]);
    expect(other.requests).toEqual([]);
  });

  test("a cut is in the audit log with the edges that were asked", async () => {
    await arrange("audited", "audited-1");
    await cut("audited");
    const lines = await control.database.db.select().from(auditEvents).where(eq(auditEvents.action, "route.cut"));
    expect(lines.filter(({ object }) => object === "teams/payments/routes/audited")).toMatchObject([
      { team: "payments", after: { edges: [] } },
    ]);
    expect(lines.filter(({ object }) => object === "teams/payments/routes/all")).toMatchObject([
      { team: "payments", after: { edges: ["all-1", "all-2"] } },
    ]);
  });

  test("edges without a session and agents that know no cut are told apart and not asked; what fails says why", async () => {
    const { edges: members } = await arrange("mixed", "mixed-1-away", "mixed-2-old", "mixed-3-fails", "mixed-4-never");
    const away = await connect(members[0]!);
    away.stream.cancel();
    await expect
      .poll(async () => (await control.database.db.select().from(edges).where(eq(edges.name, "mixed-1-away")))[0])
      .toMatchObject({ disconnectedAt: expect.any(Date) as Date });
    const old = await connect(members[1]!, { hello: { features: [] } });
    await connect(members[2]!, { answer: () => ({ error: "the worker\n is gone" }) });
    expect(await outcome(await cut("mixed"), 20_000)).toEqual({
      connections: 0,
      edges: [
        { edge: "mixed-1-away", state: "unreachable" },
        { edge: "mixed-2-old", state: "unsupported" },
        { edge: "mixed-3-fails", state: "failed", error: "the worker  is gone" },
        { edge: "mixed-4-never", state: "unreachable" },
      ],
    });
    expect(old.requests).toEqual([]);
  });

  test("an answer that was lost with its session is asked for again in the next, under the same id", async () => {
    const { edges: members } = await arrange("lost", "lost-1");
    const first = await connect(members[0]!);
    const made = await cut("lost");
    await expect.poll(() => first.requests.length).toBe(1);
    expect(await outcome(made, 0)).toEqual({ connections: 0, edges: [{ edge: "lost-1", state: "pending" }] });
    first.stream.cancel();
    const second = await connect(members[0]!, { answer: () => ({ connections: 2n }) });
    expect(await outcome(made, 20_000)).toMatchObject({ connections: 2 });
    expect(second.requests.map(({ id }) => id)).toEqual(first.requests.map(({ id }) => id));
  });

  test("an agent that knows no cut any more when it comes back is not sent it, and that is the answer", async () => {
    const { edges: members } = await arrange("older", "older-1");
    const first = await connect(members[0]!);
    const made = await cut("older");
    await expect.poll(() => first.requests.length).toBe(1);
    first.stream.cancel();
    const second = await connect(members[0]!, { hello: { features: [] } });
    expect((await outcome(made, 20_000)).edges).toMatchObject([{ edge: "older-1", state: "failed" }]);
    expect(second.requests).toEqual([]);
  });

  test("only the newest session of the edge that was asked answers, and the first answer stays", async () => {
    const { edges: members } = await arrange("fenced", "fenced-1", "fenced-2");
    const connection = await connect(members[0]!);
    const made = await cut("fenced");
    await expect.poll(() => connection.requests.length).toBe(1);
    const { db } = control.database;
    const id = requestOf(made);
    const record = (edge: TestEdge, session: number, connections: number): Promise<void> =>
      recordRequestResult(db, {
        id,
        edgeId: edge.enrolled.edgeId,
        session,
        result: { connections },
        now: new Date(),
      });
    await record(members[0]!, 0, 9);
    await record(members[1]!, 0, 9);
    expect(await rowOf(id)).toMatchObject({ fulfilledAt: null, result: null });
    await record(members[0]!, 1, 5);
    await record(members[0]!, 1, 6);
    expect(await rowOf(id)).toMatchObject({ result: { connections: 5 } });
    expect(await outcome(made, 0)).toMatchObject({ connections: 5 });
  });

  test("a request that nobody answered in its time is failed, and sent to no edge any more", async () => {
    const { edges: members } = await arrange("late", "late-1");
    const connection = await connect(members[0]!, { answer: () => ({ connections: 1n }) });
    const past = { ...owner, now: () => new Date(Date.now() - 31_000) };
    const old = await cut("late", past);
    expect(await outcome(old, 20_000)).toMatchObject({ connections: 0, edges: [{ edge: "late-1", state: "failed" }] });
    const fresh = await cut("late");
    expect(await outcome(fresh, 20_000)).toMatchObject({ connections: 1 });
    expect(connection.requests.map(({ id }) => id)).toEqual([requestOf(fresh)]);
  });

  test("answers nobody can ask for any more go when new requests are made", async () => {
    const { edges: members } = await arrange("tidy", "tidy-1");
    await connect(members[0]!);
    const [old, kept] = [randomUUID(), randomUUID()];
    const row = (id: string, ageMs: number): typeof edgeRequests.$inferInsert => ({
      id,
      edgeId: members[0]!.enrolled.edgeId,
      action: { kind: "cut", routeUid: randomUUID() },
      createdAt: new Date(Date.now() - ageMs),
      expiresAt: new Date(Date.now() - ageMs),
      fulfilledAt: new Date(Date.now() - ageMs),
      result: { connections: 1 },
    });
    await control.database.db.insert(edgeRequests).values([row(old, 49 * 3_600_000), row(kept, 3_600_000)]);
    await cut("tidy");
    expect(await rowOf(old)).toBeUndefined();
    expect(await rowOf(kept)).toBeDefined();
  });

  test("another team's route is not found, and readers cut nothing", async () => {
    const stranger = await control.fleet.team("strangers");
    await expect(cut("all", stranger)).rejects.toMatchObject({ code: "team_not_found" });
    await expect(cut("nowhere")).rejects.toMatchObject({ code: "route_not_found" });
    const reader = await control.fleet.member("payments", "reader");
    await expect(cut("all", reader)).rejects.toMatchObject({ code: "role_too_low" });
    await expect(cut("all", control.fleet.viewer)).rejects.toMatchObject({ code: "role_too_low" });
  });
});

eachDatabase((open) => {
  test("a request reaches the edge at the next poll when its notification is lost", async () => {
    const database = await open();
    const deaf = { ...database, listen: async (_: string, __: unknown, signal: AbortSignal) => await ended(signal) };
    const control = await startControlPlane(deaf, { pollMs: 50 });
    const owner = await control.fleet.team("payments");
    await control.fleet.domain("payments", "example.com");
    await control.fleet.pool("main");
    await control.fleet.route(owner, "payments", "api", { hostnames: ["api.example.com"] });
    const connection = connectEdge(await enrolEdge(control, "main", "polled"), {
      hello,
      answer: () => ({ connections: 1n }),
    });
    await connection.welcome;
    const made = await cutRoute(owner, { team: "payments", name: "api" });
    expect(await awaitCut(owner, { cut: made, waitMs: 20_000, signal: never })).toMatchObject({ connections: 1 });
  });
});

async function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
