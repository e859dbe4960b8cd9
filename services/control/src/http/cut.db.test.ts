import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { edgeRequests } from "../db/schema/edge-requests.ts";
import { edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import { recordRequestResult } from "../fleet/edge-requests.ts";
import type { Api } from "@helloway/test/harness/api";

const cutPath = "/api/v1/teams/payments/routes/api/cut";

eachDatabase((openDatabase) => {
  let api: Api;
  let database: Database;
  let edgeId: string;

  beforeAll(async () => {
    database = await openDatabase();
    api = await startApi(database);
    await api.call("PUT", "/api/v1/teams/payments", { body: { spec: {} } });
    await api.call("PUT", "/api/v1/pools/public", { body: { spec: {} } });
    const domains = "/api/v1/teams/payments/domains";
    await api.call("POST", domains, { body: { name: "pay.example.com", scope: "tree" } });
    await api.call("POST", `${domains}/pay.example.com/approve`);
    const spec = {
      pool: "public",
      hostnames: ["api.pay.example.com"],
      backends: [{ address: "93.184.216.34:443" }],
    };
    expect((await api.call("PUT", "/api/v1/teams/payments/routes/api", { body: { spec } })).status).toBe(201);
    const [pool] = await database.db.select().from(pools);
    // An edge with a session that never answers by itself.
    const [edge] = await database.db
      .insert(edges)
      .values({ name: "edge-1", poolId: pool!.id, features: ["cut"], session: 1, seenAt: new Date() })
      .returning();
    edgeId = edge!.id;
  });

  const requests = () => database.db.select().from(edgeRequests).where(eq(edgeRequests.edgeId, edgeId));
  const answer = (id: string, connections: number) =>
    recordRequestResult(database.db, { id, edgeId, session: 1, result: { connections }, now: new Date() });
  const pending = { connections: 0, edges: [{ edge: "edge-1", state: "pending" }] };

  test("answers at once what is known when it is not to wait", async () => {
    expect(await api.call("POST", `${cutPath}?wait=0s`)).toMatchObject({ status: 200, body: pending });
  });

  test("waits until the edge has answered, and no longer", async () => {
    const known = new Set((await requests()).map(({ id }) => id));
    const asked = api.call("POST", `${cutPath}?wait=30s`);
    const fresh = async (): Promise<string | undefined> => (await requests()).find(({ id }) => !known.has(id))?.id;
    await expect.poll(fresh).toBeDefined();
    await answer((await fresh())!, 12);
    expect(await asked).toMatchObject({
      status: 200,
      body: { connections: 12, edges: [{ edge: "edge-1", state: "done", connections: 12 }] },
    });
  });

  test("a repeat with the same Idempotency-Key cuts nothing again, and says what has come of it since", async () => {
    const before = new Set((await requests()).map(({ id }) => id));
    const headers = { "idempotency-key": "cut-1" };
    expect((await api.call("POST", `${cutPath}?wait=0s`, { headers })).body).toEqual(pending);
    const made = (await requests()).filter(({ id }) => !before.has(id));
    expect(made).toHaveLength(1);
    await answer(made[0]!.id, 5);
    const again = await api.call("POST", `${cutPath}?wait=30s`, { headers });
    expect(again.body).toEqual({ connections: 5, edges: [{ edge: "edge-1", state: "done", connections: 5 }] });
    expect(await requests()).toHaveLength(before.size + 1);
  });

  test("waits from 0 s to 30 s, and takes no other parameter and no body with a field", async () => {
    for (const wait of ["31s", "-1s", "soon"]) {
      expect((await api.call("POST", `${cutPath}?wait=${wait}`)).body.errors).toMatchObject([{ pointer: "?wait" }]);
    }
    expect((await api.call("POST", `${cutPath}?now=true`)).status).toBe(422);
    expect((await api.call("POST", cutPath, { body: { connections: 3 } })).status).toBe(422);
  });

  test("a route that is not there is 404", async () => {
    expect((await api.call("POST", "/api/v1/teams/payments/routes/none/cut")).body.code).toBe("route_not_found");
  });

  test("nothing failed on our side", () => {
    expect(api.errors).toEqual([]);
  });
});
