import { fromBinary } from "@bufbuild/protobuf";
import { PoolSettingsSchema, RouteSchema } from "@helloway/proto/table";
import { backend, createFleet, described, type Fleet, poolSpec, timeouts } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { checkTable } from "@helloway/test/harness/table-replay";
import { eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { pools, tableObjects } from "../db/schema/pools.ts";
import { names, routeNames, routes } from "../db/schema/routes.ts";
import type { Context } from "./context.ts";
import { putPool } from "./pools.ts";
import { deleteRoute, getRoute } from "./routes.ts";
import type { MatchSpec } from "./specs.ts";

const match = (given: Partial<MatchSpec>): MatchSpec => ({ alpn: [], sourceCidrs: [], countries: [], ...given });
const h2 = match({ alpn: ["h2"] });
const office = match({ sourceCidrs: ["192.0.2.0/24"] });

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

  /** "route criteria" of a hostname, in every pool. */
  const holders = async (hostname: string) => {
    const rows = await database.db
      .select({ route: routes.name, key: routeNames.criteriaKey })
      .from(routeNames)
      .innerJoin(routes, eq(routes.id, routeNames.routeId))
      .where(eq(routeNames.hostname, hostname));
    return rows.map(({ route, key }) => `${route} ${key}`).toSorted();
  };

  test("routes of one team share a hostname when their criteria differ, and the same ones again are refused with the holder", async () => {
    const hostnames = ["shared.ours.example.com"];
    await fleet.route(ours, "ours", "by-alpn", { hostnames, match: h2 });
    await fleet.route(ours, "ours", "by-source", { hostnames, match: office });
    await fleet.route(ours, "ours", "rest", { hostnames });
    await expect(fleet.route(ours, "ours", "again", { hostnames, match: h2 })).rejects.toMatchObject({
      kind: "conflict",
      code: "hostname_taken",
      message: expect.stringMatching(/ours\/by-alpn in this pool with the same criteria/),
      problems: [{ pointer: "/spec/hostnames/0", code: "hostname_taken" }],
    });
    await expect(fleet.route(ours, "ours", "again", { hostnames })).rejects.toMatchObject({
      message: expect.stringContaining("ours/rest"),
    });
    await fleet.route(ours, "ours", "again", { hostnames, match: h2, pool: "other" });
    await checkTable(database.db, "main");
  });

  test("a route's criteria go to edges with its hostnames", async () => {
    await fleet.route(ours, "ours", "sent", { hostnames: ["sent.ours.example.com"], match: office });
    const [row] = await database.db.select().from(routes).where(eq(routes.name, "sent"));
    const [object] = await database.db
      .select()
      .from(tableObjects)
      .where(eq(tableObjects.objectId, row?.id ?? ""));
    expect(fromBinary(RouteSchema, object?.body ?? new Uint8Array())).toMatchObject({
      requires: ["match"],
      match: { sourceCidrs: ["192.0.2.0/24"] },
    });
  });

  test("a hostname is one team's whatever the criteria", async () => {
    const [pool] = await database.db.select().from(pools).where(eq(pools.name, "main"));
    const hostname = "both.theirs.example.com";
    await database.db.insert(names).values({ poolId: pool?.id ?? "", hostname, teamId: ours.principal.teamId ?? "" });
    await expect(fleet.route(theirs, "theirs", "both", { hostnames: [hostname], match: h2 })).rejects.toMatchObject({
      code: "hostname_taken",
      message: expect.stringContaining("another team"),
    });
    await database.db.delete(names).where(eq(names.hostname, hostname));
  });

  test("other criteria move a route's names: the old ones are free, the new ones held", async () => {
    const hostnames = ["moved.ours.example.com", "moved-too.ours.example.com"];
    const first = await fleet.route(ours, "ours", "moved", { hostnames, match: h2 });
    const second = await fleet.route(ours, "ours", "moved", { hostnames, match: office });
    expect(second.object).toMatchObject({ version: 2, revision: first.object.revision + 1, spec: { match: office } });
    expect(await holders("moved.ours.example.com")).toEqual([expect.stringMatching(/^moved .*192\.0\.2\.0/)]);
    await fleet.route(ours, "ours", "follower", { hostnames, match: h2 });
    await expect(fleet.route(ours, "ours", "moved", { hostnames, match: h2 })).rejects.toMatchObject({
      message: expect.stringContaining("ours/follower"),
    });
    expect((await getRoute(ours, { team: "ours", name: "moved" })).object.spec.match).toEqual(office);

    // Without criteria, and with fewer hostnames at the same time.
    await fleet.route(ours, "ours", "moved", { hostnames: hostnames.slice(0, 1) });
    expect(await holders("moved.ours.example.com")).toEqual([expect.stringMatching(/^follower /), "moved "]);
    expect(await holders("moved-too.ours.example.com")).toEqual([expect.stringMatching(/^follower /)]);
    await checkTable(database.db, "main");
  });

  test("the last route to give up a hostname frees it, an earlier one does not", async () => {
    const hostname = "counted.ours.example.com";
    const held = () => database.db.select().from(names).where(eq(names.hostname, hostname));
    await fleet.route(ours, "ours", "first", { hostnames: [hostname], match: h2 });
    await fleet.route(ours, "ours", "second", { hostnames: [hostname] });
    await deleteRoute(ours, { team: "ours", name: "first", precondition: {} });
    expect(await held()).toHaveLength(1);
    expect(await holders(hostname)).toEqual(["second "]);
    await deleteRoute(ours, { team: "ours", name: "second", precondition: {} });
    expect(await held()).toEqual([]);
  });

  test("criteria of any length are held and told apart", async () => {
    const hostnames = [`${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.ours.example.com`];
    const many = (last: number) =>
      match({ sourceCidrs: Array.from({ length: 256 }, (_, i) => `2001:db8:${i.toString(16)}::${last}/128`) });
    await fleet.route(ours, "ours", "many-1", { hostnames, match: many(1) });
    await fleet.route(ours, "ours", "many-2", { hostnames, match: many(2) });
    await expect(fleet.route(ours, "ours", "many-3", { hostnames, match: many(2) })).rejects.toMatchObject({
      message: expect.stringContaining("ours/many-2"),
    });
  });

  test("every field is stored, and the same again is no version", async () => {
    const spec = {
      hostnames: ["every.ours.example.com"],
      match: match({ alpn: ["h2"], countries: ["NL"] }),
      balance: "random" as const,
      proxyProtocol: "v2" as const,
      proxyTlvs: ["edge" as const],
      limits: {
        connections: 5,
        connectionsPerSource: null,
        newPerSecond: null,
        newPerSecondPerSource: null,
        bytesPerSecond: 5_000_000_000,
        mode: "observe" as const,
      },
      access: { allow: ["10.0.0.0/8"], deny: [], allowCountries: [], denyCountries: [], minTlsVersion: "1.2" as const },
      onReject: "drop" as const,
    };
    const made = await fleet.route(ours, "ours", "every", spec);
    expect((await getRoute(ours, { team: "ours", name: "every" })).object.spec).toMatchObject(spec);
    const again = await fleet.route(ours, "ours", "every", spec);
    expect(again).toEqual({ ...made, created: false, changed: false });
  });

  test("a pool's defaults have them too", async () => {
    await fleet.pool("defaults");
    const unmatched = { backends: [backend()], timeouts, balance: "sourceHash" as const };
    const put = { ...described, spec: { ...poolSpec, unmatched } };
    const { object } = await putPool(fleet.admin, { name: "defaults", put, precondition: {} });
    expect(object).toMatchObject({ version: 2, spec: { unmatched: { balance: "sourceHash" } } });
    const objects = await database.db
      .select()
      .from(tableObjects)
      .innerJoin(pools, eq(pools.id, tableObjects.poolId))
      .where(eq(pools.name, "defaults"));
    const settings = objects.find((row) => row.table_objects.kind === 3)?.table_objects.body ?? new Uint8Array();
    expect(fromBinary(PoolSettingsSchema, settings).unmatched).toMatchObject({ requires: ["balance"] });
  });
});
