import {
  backend,
  createFleet,
  described,
  type Fleet,
  poolSpec,
  routeSpec,
  timeouts,
} from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { checkTable } from "@helloway/test/harness/table-replay";
import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { auditEvents } from "../db/schema/audit.ts";
import { edgeRefusals, edges } from "../db/schema/edges.ts";
import { installation } from "../db/schema/installation.ts";
import { pools, tableObjects } from "../db/schema/pools.ts";
import { names, routeNames } from "../db/schema/routes.ts";
import type { Context } from "./context.ts";
import { registerControlSockets } from "./control-sockets.ts";
import { createDomain } from "./domains.ts";
import { putPool } from "./pools.ts";
import { deleteRoute, getRoute, listRoutes } from "./routes.ts";
import { putTeam } from "./teams.ts";

eachDatabase((open) => {
  let database: Database;
  let fleet: Fleet;
  let ours: Context;
  let theirs: Context;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database);
    ours = await fleet.team("ours");
    theirs = await fleet.team("theirs");
    await fleet.pool("main");
    await fleet.pool("other");
    await fleet.domain("ours", "ours.example.com");
    await fleet.domain("theirs", "theirs.example.com");
  });

  const revisionOf = async (pool: string) =>
    (await database.db.select().from(pools).where(eq(pools.name, pool)))[0]?.revision ?? -1;
  const auditRows = async () => (await database.db.select().from(auditEvents)).length;

  test("a route is made, and the same again is no version, revision or audit row", async () => {
    const made = await fleet.route(ours, "ours", "one", { hostnames: ["one.ours.example.com"] });
    expect(made).toMatchObject({
      created: true,
      changed: true,
      object: {
        name: "one",
        team: "ours",
        version: 1,
        revision: await revisionOf("main"),
        status: { state: "pending", edges: [] },
      },
    });
    const rows = await auditRows();
    const again = await fleet.route(ours, "ours", "one", { hostnames: ["one.ours.example.com"] });
    expect(again).toEqual({ created: false, changed: false, object: made.object, warnings: [] });
    expect(await auditRows()).toBe(rows);
    expect(await revisionOf("main")).toBe(made.object.revision);
    expect((await getRoute(ours, { team: "ours", name: "one" })).object).toEqual(made.object);
    await checkTable(database.db, "main");
  });

  test("a change that edges do not see is a version and no revision", async () => {
    const before = await fleet.route(ours, "ours", "labelled", { hostnames: ["labelled.ours.example.com"] });
    const spec = routeSpec({ hostnames: ["labelled.ours.example.com"] });
    const after = await fleet.route(ours, "ours", "labelled", spec, {
      put: { ...described, labels: { a: "b" }, spec },
    });
    expect(after.object).toMatchObject({ version: 2, revision: before.object.revision, labels: { a: "b" } });
  });

  test("every hostname the team may not use is pointed at", async () => {
    await createDomain(ours, { team: "ours", name: "pending.example.com", scope: "tree" });
    await fleet.domain("ours", "exact.example.com", "exact");
    const hostnames = [
      "a.ours.example.com",
      "a.theirs.example.com",
      "x.pending.example.com",
      "exact.example.com",
      "below.exact.example.com",
      "*.exact.example.com",
      "nobody.example.org",
    ];
    await expect(fleet.route(ours, "ours", "refused", { hostnames })).rejects.toMatchObject({
      kind: "invalid",
      problems: [1, 2, 4, 5, 6].map((i) => ({ pointer: `/spec/hostnames/${i}`, code: "domain_not_verified" })),
    });
    await expect(getRoute(ours, { team: "ours", name: "refused" })).rejects.toMatchObject({ kind: "not_found" });
  });

  test("an administrator may not route for a team what the team does not own", async () => {
    await expect(
      fleet.route(fleet.admin, "ours", "admin", { hostnames: ["a.theirs.example.com"] }),
    ).rejects.toMatchObject({
      code: "domain_not_verified",
    });
  });

  test("hostnames that are not canonical or listed twice are refused", async () => {
    const hostnames = ["UPPER.ours.example.com", "a.ours.example.com", "a.ours.example.com", "1.2.3.4"];
    await expect(fleet.route(ours, "ours", "refused", { hostnames })).rejects.toMatchObject({
      problems: [
        { pointer: "/spec/hostnames/0", code: "not_canonical" },
        { pointer: "/spec/hostnames/2", code: "duplicate" },
        { pointer: "/spec/hostnames/3", code: "unmatchable_name" },
      ],
    });
  });

  test("every backend the pool does not grant the team is pointed at", async () => {
    await registerControlSockets(database.db, {
      sockets: [{ address: "93.184.216.35", port: 443, purpose: "http" }],
      now: new Date(),
    });
    const backends = [
      "93.184.216.34:443",
      "10.0.0.1:443",
      "93.184.216.34:22",
      "169.254.169.254:443",
      "93.184.216.35:443",
      "name.example.com:443",
    ];
    const refused = fleet.route(ours, "ours", "backends", {
      hostnames: ["b.ours.example.com"],
      backends: backends.map(backend),
    });
    await expect(refused).rejects.toMatchObject({
      problems: [
        { pointer: "/spec/backends/1/address", code: "address_not_granted" },
        { pointer: "/spec/backends/2/address", code: "port_not_granted" },
        { pointer: "/spec/backends/3/address", code: "address_never_allowed" },
        { pointer: "/spec/backends/4/address", code: "address_reserved" },
      ],
    });
  });

  test("a team with its own grant has that one only", async () => {
    const grant = { cidrs: ["10.0.0.0/8"], ports: [{ from: 1, to: 65_535 }] };
    await fleet.pool("granted", { addresses: { ...poolSpec.addresses, teams: { ours: grant } } });
    const spec = { pool: "granted", hostnames: ["g.ours.example.com"] };
    await fleet.route(ours, "ours", "granted", { ...spec, backends: [backend("10.1.2.3:8443")] });
    await expect(fleet.route(ours, "ours", "granted", { ...spec, backends: [backend()] })).rejects.toMatchObject({
      code: "address_not_granted",
    });
  });

  test("a pool that is not there is pointed at", async () => {
    await expect(
      fleet.route(ours, "ours", "lost", { pool: "nowhere", hostnames: ["l.ours.example.com"] }),
    ).rejects.toMatchObject({
      problems: [{ pointer: "/spec/pool", code: "unknown_pool" }],
    });
  });

  test("two routes cannot hold one hostname in a pool, and may in two", async () => {
    await fleet.route(ours, "ours", "holder", { hostnames: ["held.ours.example.com"] });
    const second = { hostnames: ["free.ours.example.com", "held.ours.example.com"] };
    await expect(fleet.route(ours, "ours", "second", second)).rejects.toMatchObject({
      kind: "conflict",
      code: "hostname_taken",
      message: expect.stringContaining("ours/holder"),
      problems: [{ pointer: "/spec/hostnames/1", code: "hostname_taken" }],
    });
    await fleet.route(ours, "ours", "second", { ...second, pool: "other" });
  });

  test("a hostname taken out of a route is free again", async () => {
    await fleet.route(ours, "ours", "giver", { hostnames: ["moving.ours.example.com", "stays.ours.example.com"] });
    await fleet.route(ours, "ours", "giver", { hostnames: ["stays.ours.example.com"] });
    await fleet.route(ours, "ours", "taker", { hostnames: ["moving.ours.example.com"] });
    await deleteRoute(ours, { team: "ours", name: "taker", precondition: {} });
    const held = await database.db.select().from(names).where(eq(names.hostname, "moving.ours.example.com"));
    expect(held).toEqual([]);
  });

  test("a route moves to another pool with its hostnames", async () => {
    const before = await fleet.route(ours, "ours", "mover", { hostnames: ["mover.ours.example.com"] });
    const [old] = (await checkTable(database.db, "main")).filter((entry) => entry.startsWith("1 "));
    expect(old).toBeDefined();
    const after = await fleet.route(ours, "ours", "mover", { pool: "other", hostnames: ["mover.ours.example.com"] });
    expect(after.object).toMatchObject({ version: before.object.version + 1, revision: await revisionOf("other") });
    const rows = await database.db.select().from(routeNames).where(eq(routeNames.hostname, "mover.ours.example.com"));
    const [other] = await database.db.select().from(pools).where(eq(pools.name, "other"));
    expect(rows.map((row) => row.poolId)).toEqual([other?.id]);
    const hashes = await database.db
      .select()
      .from(tableObjects)
      .where(eq(tableObjects.objectId, rows[0]?.routeId ?? ""));
    expect(hashes.map((row) => row.poolId)).toEqual([other?.id]);
    await checkTable(database.db, "main");
    await checkTable(database.db, "other");
  });

  test("a dry run says what would be and leaves nothing", async () => {
    const [revision, rows] = [await revisionOf("main"), await auditRows()];
    const dry = await fleet.route(ours, "ours", "dry", { hostnames: ["dry.ours.example.com"] }, { dryRun: true });
    expect(dry).toMatchObject({ created: true, changed: true, object: { version: 1 } });
    expect([await revisionOf("main"), await auditRows()]).toEqual([revision, rows]);
    await expect(getRoute(ours, { team: "ours", name: "dry" })).rejects.toMatchObject({ kind: "not_found" });
    await expect(
      fleet.route(ours, "ours", "dry", { hostnames: ["x.theirs.example.com"] }, { dryRun: true }),
    ).rejects.toMatchObject({
      code: "domain_not_verified",
    });
  });

  test("another keeper's route is written by force only", async () => {
    const spec = routeSpec({ hostnames: ["kept.ours.example.com"] });
    await fleet.route(ours, "ours", "kept", spec, { put: { ...described, managedBy: "terraform", spec } });
    const put = { ...described, managedBy: "argo", spec };
    await expect(fleet.route(ours, "ours", "kept", spec, { put })).rejects.toMatchObject({
      code: "managed_by_other",
      message: expect.stringContaining("terraform"),
    });
    const forced = await fleet.route(ours, "ours", "kept", spec, { put, force: true });
    expect(forced.object.managedBy).toBe("argo");
  });

  test("preconditions hold for writing and deleting", async () => {
    const spec = { hostnames: ["cond.ours.example.com"] };
    await expect(fleet.route(ours, "ours", "cond", spec, { precondition: { ifMatch: 1 } })).rejects.toMatchObject({
      kind: "precondition_failed",
    });
    await fleet.route(ours, "ours", "cond", spec, { precondition: { ifNoneMatchAny: true } });
    await expect(
      fleet.route(ours, "ours", "cond", spec, { precondition: { ifNoneMatchAny: true } }),
    ).rejects.toMatchObject({
      kind: "precondition_failed",
    });
    const target = { team: "ours", name: "cond" };
    await expect(deleteRoute(ours, { ...target, precondition: { ifMatch: 2 } })).rejects.toMatchObject({
      kind: "precondition_failed",
    });
    await deleteRoute(ours, { ...target, precondition: { ifMatch: 1 } });
    await expect(deleteRoute(ours, { ...target, precondition: {} })).rejects.toMatchObject({ kind: "not_found" });
  });

  test("a deleted route leaves the table, and its name comes back as another route", async () => {
    const spec = { hostnames: ["again.ours.example.com"] };
    await fleet.route(ours, "ours", "again", spec);
    const table = await checkTable(database.db, "main");
    await deleteRoute(ours, { team: "ours", name: "again", precondition: {} });
    const after = await checkTable(database.db, "main");
    expect(table.filter((entry) => !after.includes(entry))).toHaveLength(1);
    await fleet.route(ours, "ours", "again", spec);
    expect(await checkTable(database.db, "main")).not.toEqual(table);
  });

  test("another team's routes are not there", async () => {
    await fleet.route(theirs, "theirs", "secret", { hostnames: ["secret.theirs.example.com"] });
    const target = { team: "theirs", name: "secret" };
    await expect(getRoute(ours, target)).rejects.toMatchObject({ kind: "not_found" });
    await expect(deleteRoute(ours, { ...target, precondition: {} })).rejects.toMatchObject({ kind: "not_found" });
    await expect(
      fleet.route(ours, "theirs", "secret", { hostnames: ["secret.theirs.example.com"] }),
    ).rejects.toMatchObject({ kind: "not_found" });
    await expect(listRoutes(ours, { team: "theirs", limit: 10, cursor: null })).rejects.toMatchObject({
      kind: "not_found",
    });
    await expect(listRoutes(ours, { limit: 10, cursor: null })).rejects.toMatchObject({ kind: "forbidden" });
    expect((await getRoute(fleet.viewer, target)).object.name).toBe("secret");
    await expect(deleteRoute(fleet.viewer, { ...target, precondition: {} })).rejects.toMatchObject({
      kind: "forbidden",
    });
    const reader = await fleet.member("ours", "reader");
    await expect(fleet.route(reader, "ours", "x", { hostnames: ["x.ours.example.com"] })).rejects.toMatchObject({
      kind: "forbidden",
    });
  });

  test("lists come whole in pages, one team's and everybody's", async () => {
    for (const team of [undefined, "ours"]) {
      const input = team === undefined ? {} : { team };
      const whole = (await listRoutes(fleet.admin, { ...input, limit: 500, cursor: null })).items.map(
        (item) => `${item.team}/${item.name}`,
      );
      const paged: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await listRoutes(fleet.admin, { ...input, limit: 3, cursor });
        paged.push(...page.items.map((item) => `${item.team}/${item.name}`));
        cursor = page.nextCursor;
      } while (cursor !== null);
      expect(paged).toEqual(whole);
      expect(new Set(whole.map((item) => item.split("/")[0]))).toEqual(
        new Set(team === undefined ? ["ours", "theirs"] : ["ours"]),
      );
    }
  });

  test("a team has no more routes and domains than its quotas", async () => {
    const small = await fleet.team("small");
    await fleet.domain("small", "small.example.com");
    const spec = { members: [], quotas: { routes: 1, domains: 1 } };
    await putTeam(fleet.admin, { name: "small", put: { ...described, spec }, precondition: {} });
    await fleet.route(small, "small", "first", { hostnames: ["a.small.example.com"] });
    await expect(fleet.route(small, "small", "second", { hostnames: ["b.small.example.com"] })).rejects.toMatchObject({
      code: "quota_reached",
    });
    await fleet.route(small, "small", "first", { hostnames: ["b.small.example.com"] });
    const more = createDomain(small, { team: "small", name: "more.example.com", scope: "tree" });
    await expect(more).rejects.toMatchObject({ code: "quota_reached" });
  });

  describe("status", () => {
    const hostnames = ["status.ours.example.com"];
    const target = { team: "ours", name: "status" };
    const state = async () => (await getRoute(ours, target)).object.status;
    let revision: number;
    let epoch: number;

    const edge = async (name: string, values: Partial<typeof edges.$inferInsert> = {}) => {
      const [pool] = await database.db.select().from(pools).where(eq(pools.name, "status"));
      const seen = { seenAt: new Date(), disconnectedAt: null, appliedEpoch: epoch, appliedRevision: revision };
      const row = { name, poolId: pool?.id ?? "", ...seen, ...values };
      const [made] = await database.db
        .insert(edges)
        .values(row)
        .onConflictDoUpdate({ target: edges.name, set: row })
        .returning();
      return made?.id ?? "";
    };
    const refuse = async (edgeId: string, hash?: Uint8Array) => {
      const [held] = await database.db
        .select()
        .from(routeNames)
        .where(eq(routeNames.hostname, "status.ours.example.com"));
      const [object] = await database.db
        .select()
        .from(tableObjects)
        .where(eq(tableObjects.objectId, held?.routeId ?? ""));
      const row = {
        edgeId,
        kind: 1,
        objectId: object?.objectId ?? "",
        offeredHash: hash ?? object?.hash ?? new Uint8Array(),
      };
      await database.db.insert(edgeRefusals).values({ ...row, code: "backend_not_allowed", detail: "no" });
    };

    test("goes from pending over live and degraded to rejected", async () => {
      await fleet.pool("status");
      await fleet.route(ours, "ours", "first", { pool: "status", hostnames: ["first.ours.example.com"] });
      const { object } = await fleet.route(ours, "ours", "status", { pool: "status", hostnames });
      ({ revision } = object);
      epoch = (await database.db.select().from(installation))[0]?.epoch ?? 0;
      expect(await state()).toEqual({ state: "pending", revision, edges: [] });

      await edge("status-1", { appliedRevision: revision - 1 });
      expect(await state()).toEqual({
        state: "pending",
        revision,
        edges: [{ edge: "status-1", revision: revision - 1, accepted: false }],
      });
      const first = await edge("status-1");
      expect((await state()).state).toBe("live");

      // Of another epoch, so not of this table.
      await edge("status-2", { appliedEpoch: epoch + 1, appliedRevision: revision + 5 });
      expect((await state()).state).toBe("pending");
      const second = await edge("status-2");
      expect((await state()).state).toBe("live");

      await refuse(first);
      expect(await state()).toMatchObject({
        state: "degraded",
        edges: [
          { edge: "status-1", accepted: false, reason: "backend_not_allowed: no" },
          { edge: "status-2", accepted: true },
        ],
      });
      await refuse(second);
      expect((await state()).state).toBe("rejected");
    });

    test("counts connected edges only, and needs one", async () => {
      await database.db.delete(edgeRefusals);
      await edge("status-2", { disconnectedAt: new Date(), appliedRevision: 0 });
      expect((await state()).state).toBe("live");
      await edge("status-1", { seenAt: new Date(Date.now() - 60_000) });
      expect((await state()).state).toBe("pending");
    });

    test("does not hold an earlier version's refusal against this one", async () => {
      const first = await edge("status-1");
      await refuse(first, new Uint8Array(32));
      expect((await state()).state).toBe("live");
    });

    test("forgets revoked edges", async () => {
      await edge("status-1", { revokedAt: new Date() });
      expect((await state()).edges.map((one) => one.edge)).toEqual(["status-2"]);
    });
  });

  test("a pool's defaults are judged by its default grant", async () => {
    const body = { backends: [backend("10.0.0.1:443")], timeouts };
    const put = { ...described, spec: { ...poolSpec, noSni: body, unmatched: { ...body, backends: [backend()] } } };
    await expect(putPool(fleet.admin, { name: "defaults", put, precondition: {} })).rejects.toMatchObject({
      problems: [{ pointer: "/spec/noSni/backends/0/address", code: "address_not_granted" }],
    });
  });
});
