import { backend, createFleet, described, type Fleet, poolSpec, timeouts } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { eq } from "drizzle-orm";
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import type { Context } from "./context.ts";
import { getPool, putPool } from "./pools.ts";
import { deleteRoute, getRoute, listRoutes } from "./routes.ts";
import type { RouteSpec } from "./specs.ts";

const all = ["access", "balance", "limits", "match", "proxyProtocol"];

eachDatabase((open) => {
  let database: Database;
  let fleet: Fleet;
  let ours: Context;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database);
    ours = await fleet.team("ours");
    await fleet.pool("main");
    await fleet.pool("other");
    await fleet.domain("ours", "ours.example.com");
  });
  beforeEach(async () => {
    await database.db.delete(edges);
    for (const { name } of (await listRoutes(ours, { team: "ours", limit: 100, cursor: null })).items) {
      await deleteRoute(ours, { team: "ours", name, precondition: {} });
    }
  });

  const alpn = (...protocols: string[]) => ({ alpn: protocols, sourceCidrs: [], countries: [] });
  const countries = { alpn: [], sourceCidrs: [], countries: ["NL"] };
  const hostnames = ["a.ours.example.com", "b.ours.example.com"];
  const warningsOf = async (name: string, spec: Partial<RouteSpec>, dryRun = false) => {
    const { warnings } = await fleet.route(ours, "ours", name, { hostnames, ...spec }, { dryRun });
    return warnings.map(({ code, pointer }) => `${code} ${pointer}`);
  };
  const readWarnings = async (name: string) => {
    const { warnings } = await getRoute(ours, { team: "ours", name });
    return warnings.map(({ code, pointer }) => `${code} ${pointer}`);
  };
  const edge = async (name: string, features: string[], values: Partial<typeof edges.$inferInsert> = {}) => {
    const [pool] = await database.db.select().from(pools).where(eq(pools.name, "main"));
    const row = { name, poolId: pool?.id ?? "", features, seenAt: new Date(), ...values };
    await database.db.insert(edges).values(row);
  };
  const unreachable = ["acme_tls_unreachable /spec/hostnames/0", "acme_tls_unreachable /spec/hostnames/1"];

  test("a hostname whose every route asks for other protocols than acme-tls/1 is warned of", async () => {
    expect(await warningsOf("one", { match: alpn("h2") }, true)).toEqual(unreachable);
    expect(await warningsOf("one", { match: alpn("h2") })).toEqual(unreachable);
    // And again, though nothing changes.
    expect(await warningsOf("one", { match: alpn("h2") })).toEqual(unreachable);
    expect(await warningsOf("two", { match: alpn("http/1.1") })).toEqual(unreachable);
    expect(await warningsOf("acme", { hostnames: hostnames.slice(0, 1), match: alpn("acme-tls/1") })).toEqual([]);
    expect(await warningsOf("one", { match: alpn("h2", "h3") })).toEqual(unreachable.slice(1));
    expect(await warningsOf("rest", {})).toEqual([]);
    expect(await warningsOf("one", { match: alpn("h2") })).toEqual([]);
    expect(await readWarnings("one")).toEqual([]);
    // Whoever reads it learns what the end of another route has brought about.
    await deleteRoute(ours, { team: "ours", name: "rest", precondition: {} });
    expect(await readWarnings("one")).toEqual(unreachable.slice(1));
    // In another pool the same names have other routes.
    expect(await warningsOf("elsewhere", { match: alpn("h2"), pool: "other" })).toEqual(unreachable);
  });

  test("criteria without protocols leave acme-tls/1 through", async () => {
    const match = { alpn: [], sourceCidrs: ["192.0.2.0/24"], countries: [] };
    expect(await warningsOf("source", { match })).toEqual([]);
  });

  test("edges that lack a feature of the route are named with the field that needs it", async () => {
    await edge("able", all);
    await edge("old", []);
    await edge("older", ["match"]);
    const { warnings } = await fleet.route(ours, "ours", "needs", {
      hostnames,
      match: alpn("h2", "acme-tls/1"),
      balance: "random",
    });
    expect(warnings).toEqual([
      { code: "edge_lacks_feature", pointer: "/spec/balance", detail: expect.stringMatching(/: old, older\.$/) },
      { code: "edge_lacks_feature", pointer: "/spec/match", detail: expect.stringMatching(/: old\.$/) },
    ]);
    expect(await warningsOf("needs", {})).toEqual([]);
  });

  test("only edges of the pool that may come back and have said what they can are asked", async () => {
    await edge("away", [], { disconnectedAt: new Date() });
    await edge("revoked", [], { revokedAt: new Date() });
    await edge("silent", [], { seenAt: null });
    const [other] = await database.db.select().from(pools).where(eq(pools.name, "other"));
    await edge("elsewhere", [], { poolId: other?.id ?? "" });
    const { warnings } = await fleet.route(ours, "ours", "needs", { hostnames, proxyProtocol: "v1" });
    expect(warnings).toEqual([
      { code: "edge_lacks_feature", pointer: "/spec/proxyProtocol", detail: expect.stringMatching(/: away\.$/) },
    ]);
  });

  test("of many edges the first are named and the others counted", async () => {
    for (let i = 1; i <= 8; i++) await edge(`old-${i}`, []);
    const { warnings } = await fleet.route(ours, "ours", "needs", { hostnames, balance: "random" });
    expect(warnings[0]?.detail).toMatch(/: old-1, old-2, old-3, old-4, old-5 and 3 more\.$/);
  });

  test("countries are warned of where an edge has no database of them, in criteria and in access lists", async () => {
    await edge("blind", all);
    await edge("seeing", [...all, "geo"]);
    const { warnings } = await fleet.route(ours, "ours", "geo", { hostnames, match: countries });
    expect(warnings).toEqual([
      {
        code: "edge_lacks_geo_database",
        pointer: "/spec/match/countries",
        detail: expect.stringMatching(/: blind\.$/),
      },
    ]);
    const access = { allow: [], deny: [], allowCountries: [], denyCountries: ["NL"], minTlsVersion: null };
    expect(await warningsOf("geo", { access })).toEqual(["edge_lacks_geo_database /spec/access/denyCountries"]);
    expect(await warningsOf("geo", { access: { ...access, denyCountries: [], minTlsVersion: "1.2" } })).toEqual([]);
  });

  test("a pool's defaults are warned of where they are written and read", async () => {
    await edge("blind", all);
    const access = { allow: [], deny: [], allowCountries: ["NL"], denyCountries: [], minTlsVersion: null };
    const defaults = { backends: [backend()], timeouts, access };
    const spec = { ...poolSpec, noSni: defaults, unmatched: { ...defaults, balance: "random" as const } };
    const put = { ...described, spec };
    const { object } = await putPool(fleet.admin, { name: "main", put, precondition: {} });
    const expected = ["/spec/noSni/access/allowCountries", "/spec/unmatched/access/allowCountries"].map((pointer) => ({
      code: "edge_lacks_geo_database",
      pointer,
      detail: expect.stringMatching(/: blind\.$/),
    }));
    expect(object.warnings).toEqual(expected);
    await database.db.update(edges).set({ features: ["access", "geo"] });
    expect(await getPool(fleet.admin, { name: "main" })).toMatchObject({
      warnings: [{ code: "edge_lacks_feature", pointer: "/spec/unmatched/balance" }],
    });
    await fleet.pool("main");
    expect(await getPool(fleet.admin, { name: "main" })).toMatchObject({ warnings: [] });
  });
});
