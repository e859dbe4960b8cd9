import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, describe, expect, test } from "vitest";
import { edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import type { Api } from "@helloway/test/harness/api";

const callers = ["reader", "editor", "owner", "stranger", "viewer", "admin"] as const;
type Caller = (typeof callers)[number];

/** One operation, and what each caller gets; without a token it is 401 for all. Members are of team payments, which is asked about. */
interface Row {
  operation: string;
  path: string;
  body?: object;
  gets: Record<Caller, number>;
}

/** A row where all statuses are one, but for these. */
const gets = (everybody: number, others: Partial<Record<Caller, number>> = {}): Record<Caller, number> => ({
  reader: everybody,
  editor: everybody,
  owner: everybody,
  stranger: everybody,
  viewer: everybody,
  admin: everybody,
  ...others,
});

const team = "/api/v1/teams/payments";
const spec = { pool: "public", hostnames: ["api.pay.example.com"], backends: [{ address: "backend.example.net:443" }] };
const fleetReaders = gets(403, { viewer: 200, admin: 200 });
const adminOnly = (status: number) => gets(403, { admin: status });
const members = gets(200, { stranger: 404 });
/** Writers are asked in this order, so that who may delete comes last and finds something. */
const writers = (status: number) => gets(403, { editor: status, owner: status, stranger: 404, admin: status });
const deleters = gets(403, { editor: 204, owner: 404, stranger: 404, admin: 404 });

// Deletions come last: what they delete is what the rows before ask for.
const rows: Row[] = [
  { operation: "getSession", path: "/api/v1/session", gets: gets(200) },
  { operation: "listTeams", path: "/api/v1/teams", gets: gets(200) },
  { operation: "getTeam", path: team, gets: members },
  { operation: "putTeam", path: team, body: { spec: {} }, gets: gets(403, { stranger: 404, admin: 200 }) },
  {
    operation: "listTokens",
    path: "/api/v1/tokens?team=payments",
    gets: gets(200, { reader: 403, editor: 403, stranger: 404 }),
  },
  {
    operation: "createToken",
    path: "/api/v1/tokens",
    body: { name: "made", team: "payments", role: "reader" },
    gets: gets(403, { owner: 201, stranger: 404, admin: 201 }),
  },
  { operation: "listPools", path: "/api/v1/pools", gets: gets(200) },
  { operation: "getPool", path: "/api/v1/pools/public", gets: gets(200) },
  { operation: "putPool", path: "/api/v1/pools/public", body: { spec: {} }, gets: adminOnly(200) },
  { operation: "createJoinToken", path: "/api/v1/pools/public/join-tokens", body: {}, gets: adminOnly(201) },
  { operation: "listEdges", path: "/api/v1/edges", gets: fleetReaders },
  { operation: "getEdge", path: "/api/v1/edges/edge-1", gets: fleetReaders },
  { operation: "putEdge", path: "/api/v1/edges/edge-1", body: {}, gets: adminOnly(200) },
  { operation: "listDomains", path: `${team}/domains`, gets: members },
  { operation: "getDomain", path: `${team}/domains/pay.example.com`, gets: members },
  {
    operation: "approveDomain",
    path: `${team}/domains/pay.example.com/approve`,
    gets: gets(403, { stranger: 404, admin: 200 }),
  },
  {
    operation: "createDomain",
    path: `${team}/domains`,
    body: { name: "pay.example.com", scope: "tree" },
    gets: writers(409),
  },
  { operation: "putRoute", path: `${team}/routes/api`, body: { spec }, gets: writers(200) },
  { operation: "getRoute", path: `${team}/routes/api`, gets: members },
  { operation: "listRoutes", path: `${team}/routes`, gets: members },
  { operation: "listAllRoutes", path: "/api/v1/routes", gets: fleetReaders },
  { operation: "cutRoute", path: `${team}/routes/api/cut?wait=0s`, gets: writers(200) },
  { operation: "getRouteStats", path: "/api/v1/stats/routes/payments/api", gets: members },
  { operation: "deleteRoute", path: `${team}/routes/api`, gets: deleters },
  { operation: "deleteDomain", path: `${team}/domains/pay.example.com`, gets: deleters },
  { operation: "revokeToken", path: "/api/v1/tokens/ID", gets: gets(403, { owner: 204, stranger: 404, admin: 204 }) },
  { operation: "deleteEdge", path: "/api/v1/edges/edge-1", gets: adminOnly(204) },
  { operation: "deletePool", path: "/api/v1/pools/public", gets: adminOnly(204) },
  { operation: "deleteTeam", path: team, gets: gets(403, { stranger: 404, admin: 204 }) },
];

/** What anybody may ask without a token. */
const open = ["getLivez", "getReadyz", "getOpenApi", "getDocs", "getDocsScript"];

eachDatabase((openDatabase) => {
  let api: Api;
  let tokens: Record<Caller, string>;
  const methods = new Map<string, string>();

  beforeAll(async () => {
    const database = await openDatabase();
    api = await startApi(database);
    for (const name of ["payments", "strangers"])
      await api.call("PUT", `/api/v1/teams/${name}`, { body: { spec: {} } });
    await api.call("PUT", "/api/v1/pools/public", { body: { spec: {} } });
    await api.call("POST", `${team}/domains`, { body: { name: "pay.example.com", scope: "tree" } });
    await api.call("POST", `${team}/domains/pay.example.com/approve`);
    expect((await api.call("PUT", `${team}/routes/api`, { body: { spec } })).status).toBe(201);
    const [pool] = await database.db.select({ id: pools.id }).from(pools);
    await database.db.insert(edges).values({ name: "edge-1", poolId: pool?.id ?? "" });
    tokens = {
      reader: await api.tokenOf("reader", "payments"),
      editor: await api.tokenOf("editor", "payments"),
      owner: await api.tokenOf("owner", "payments"),
      stranger: await api.tokenOf("owner", "strangers"),
      viewer: await api.tokenOf("viewer"),
      admin: api.adminToken,
    };
    for (const definition of api.app.openAPIRegistry.definitions) {
      if (definition.type === "route")
        methods.set(definition.route.operationId ?? "", definition.route.method.toUpperCase());
    }
  });

  test("every operation has a row that says who may", () => {
    expect([...rows.map((row) => row.operation), ...open].toSorted()).toEqual([...methods.keys()].toSorted());
  });

  describe.each(rows)("$operation", ({ operation, path, body, gets: expected }) => {
    test("answers 401 without a token, whatever is asked", async () => {
      for (const token of [null, "hwt_unknown", "x"]) {
        const answer = await api.call(methods.get(operation) ?? "", path.replace("ID", crypto.randomUUID()), {
          token,
          ...(body === undefined ? {} : { body }),
        });
        expect(answer.status).toBe(401);
        expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer /);
      }
    });

    test("is for whom the rules say; another team's objects are not found", async () => {
      const id = path.includes("ID") ? await tokenId(api) : "";
      const answers: Partial<Record<Caller, number>> = {};
      for (const caller of callers) {
        const answer = await api.call(methods.get(operation) ?? "", path.replace("ID", id), {
          token: tokens[caller],
          ...(body === undefined ? {} : { body }),
        });
        answers[caller] = answer.status;
      }
      expect(answers).toEqual(expected);
    });
  });

  test("nothing failed on our side", () => {
    expect(api.errors).toEqual([]);
  });
});

async function tokenId(api: Api): Promise<string> {
  const made = await api.call("POST", "/api/v1/tokens", {
    body: { name: "to-revoke", team: "payments", role: "reader" },
  });
  return made.body.id;
}
