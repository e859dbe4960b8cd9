import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, describe, expect, test } from "vitest";
import { edges } from "../db/schema/edges.ts";
import { pools } from "../db/schema/pools.ts";
import type { Api, CallOptions } from "@helloway/test/harness/api";

eachDatabase((openDatabase) => {
  let api: Api;
  const put = (path: string, body: object, headers: Record<string, string> = {}) =>
    api.call("PUT", `/api/v1${path}`, { body, headers });
  const get = (path: string, options: CallOptions = {}) => api.call("GET", `/api/v1${path}`, options);
  const post = (path: string, body?: object) => api.call("POST", `/api/v1${path}`, body === undefined ? {} : { body });
  const remove = (path: string, headers: Record<string, string> = {}) =>
    api.call("DELETE", `/api/v1${path}`, { headers });

  const routeSpec = (hostname: string) => ({
    pool: "public",
    hostnames: [hostname],
    backends: [{ address: "backend.example.net:443" }],
  });

  beforeAll(async () => {
    const database = await openDatabase();
    api = await startApi(database);
    await put("/teams/payments", { spec: {} });
    await put("/pools/public", { spec: {} });
    await post("/teams/payments/domains", { name: "example.com", scope: "tree" });
    await post("/teams/payments/domains/example.com/approve");
    const [pool] = await database.db.select({ id: pools.id }).from(pools);
    await database.db.insert(edges).values({ name: "edge-1.example.com", poolId: pool?.id ?? "" });
  });

  describe.each([
    ["a team", "/teams/new", { spec: {} }, { spec: { quotas: { routes: 5 } } }],
    ["a pool", "/pools/new", { spec: {} }, { spec: { hello: { timeout: "2s" } } }],
    [
      "a route",
      "/teams/payments/routes/new",
      { spec: routeSpec("new.example.com") },
      { spec: { ...routeSpec("new.example.com"), timeouts: { idle: "1h" } } },
    ],
  ])("%s", (_, path, first, second) => {
    test("is made, read, changed under its ETag and deleted", async () => {
      const made = await put(path, first, { "if-none-match": "*" });
      expect(made).toMatchObject({ status: 201, body: { version: 1 } });
      expect(made.headers.get("etag")).toBe('"1"');
      expect(made.headers.get("location")).toBe(`/api/v1${path}`);
      expect((await put(path, first, { "if-none-match": "*" })).status).toBe(412);

      const read = await get(path);
      expect(read.body).toMatchObject({ ...made.body, status: expect.anything() });
      expect(read.headers.get("etag")).toBe('"1"');

      expect((await put(path, second, { "if-match": '"9"' })).status).toBe(412);
      const changed = await put(path, second, { "if-match": '"1"' });
      expect(changed).toMatchObject({ status: 200, body: { version: 2 } });
      expect(changed.headers.get("etag")).toBe('"2"');

      expect((await remove(path, { "if-match": '"1"' })).status).toBe(412);
      expect((await remove(path, { "if-match": '"2"' })).status).toBe(204);
      expect((await get(path)).status).toBe(404);
      expect((await remove(path)).status).toBe(404);
      expect((await put(path, first, { "if-match": "*" })).status).toBe(412);
    });

    test("written as it was read is accepted and changes nothing", async () => {
      const full = { labels: { tier: "1" }, description: "Text", managedBy: "terraform", ...second };
      expect((await put(path, full)).status).toBe(201);
      const { body } = await get(path);
      const { labels, description, managedBy, spec } = body;
      const again = await put(path, { labels, description, managedBy, spec });
      expect(again).toMatchObject({ status: 200, body: { version: 1, updatedAt: body.updatedAt, spec } });
      expect((await remove(path)).status).toBe(204);
    });

    test("that somebody keeps is not written by another", async () => {
      await put(path, { ...first, managedBy: "terraform" });
      const refused = await put(path, { ...second, managedBy: "" });
      expect(refused).toMatchObject({ status: 409, body: { errors: [{ pointer: "/managedBy" }] } });
      expect((await remove(path)).status).toBe(204);
    });

    test("gets every wrong place pointed at", async () => {
      const answer = await put(path, { labels: { a: 1 }, nope: 1, spec: { wrong: true } });
      expect(answer.status).toBe(422);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      const pointers = answer.body.errors.map((error: { pointer: string }) => error.pointer);
      expect(pointers).toEqual(expect.arrayContaining(["/labels/a", "/nope", "/spec/wrong"]));
    });
  });

  test("a route may be tried first: dryRun says what would change and writes nothing", async () => {
    const path = "/teams/payments/routes/tried";
    const spec = routeSpec("tried.example.com");
    expect(await put(`${path}?dryRun=true`, { spec })).toMatchObject({
      status: 200,
      body: { dryRun: true, change: "create" },
    });
    expect((await get(path)).status).toBe(404);
    await put(path, { spec });
    expect(await put(`${path}?dryRun=true`, { spec })).toMatchObject({
      body: { change: "none", object: { version: 1 } },
    });
    const other = { ...spec, wildcardDepth: "one" };
    expect(await put(`${path}?dryRun=true`, { spec: other })).toMatchObject({
      body: { change: "update", object: { spec: { wildcardDepth: "one" } } },
    });
    expect((await get(path)).body).toMatchObject({ version: 1, spec: { wildcardDepth: "any" } });
    const bad = routeSpec("tried.example.org");
    expect(await put(`${path}?dryRun=true`, { spec: bad })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/spec/hostnames/0" }] },
    });
    await remove(path);
  });

  test("a route is taken over with force", async () => {
    const path = "/teams/payments/routes/kept";
    await put(path, { managedBy: "terraform", spec: routeSpec("kept.example.com") });
    expect((await put(path, { managedBy: "me", spec: routeSpec("kept.example.com") })).status).toBe(409);
    const taken = await put(`${path}?force=true`, { managedBy: "me", spec: routeSpec("kept.example.com") });
    expect(taken).toMatchObject({ status: 200, body: { managedBy: "me", version: 2 } });
    await remove(path);
  });

  test("a route outside the team's domains, to an address it was not granted or in no pool is refused with its place", async () => {
    const path = "/teams/payments/routes/wrong";
    const problems = async (spec: object) => {
      const { status, body } = await put(path, { spec });
      return [status, ...body.errors.map((error: { pointer: string }) => error.pointer)];
    };
    expect(await problems(routeSpec("api.example.org"))).toEqual([422, "/spec/hostnames/0"]);
    expect(await problems({ ...routeSpec("a.example.com"), backends: [{ address: "127.0.0.1:443" }] })).toEqual([
      422,
      "/spec/backends/0/address",
    ]);
    expect(await problems({ ...routeSpec("a.example.com"), pool: "nowhere" })).toEqual([422, "/spec/pool"]);
  });

  test("an edge's labels and description are changed, and nobody makes an edge by writing it", async () => {
    const path = "/edges/edge-1.example.com";
    const { body } = await get(path);
    expect(body).toMatchObject({ name: "edge-1.example.com", status: { pool: "public", connected: false } });
    const changed = await put(
      path,
      { labels: { site: "ams" }, description: "Rack 4" },
      { "if-match": `"${body.version}"` },
    );
    expect(changed).toMatchObject({ status: 200, body: { labels: { site: "ams" }, version: body.version + 1 } });
    expect((await get("/edges")).body.items).toHaveLength(1);
    expect((await put("/edges/edge-2", { labels: {} })).status).toBe(404);
  });

  test("a domain is claimed, shown with its challenge, approved and given up", async () => {
    const path = "/teams/payments/domains";
    const made = await post(path, { name: "Shop.Example.NET.", scope: "tree" });
    expect(made).toMatchObject({
      status: 201,
      body: {
        name: "shop.example.net",
        status: { state: "pending", challenge: { recordName: "_helloway-tree-challenge.shop.example.net" } },
      },
    });
    expect(made.headers.get("location")).toBe(`/api/v1${path}/shop.example.net`);
    expect((await post(path, { name: "shop.example.net", scope: "exact" })).status).toBe(409);
    expect((await post(`${path}/shop.example.net/approve`)).body).toMatchObject({ status: { state: "verified" } });
    await put("/teams/payments/routes/shop", { spec: routeSpec("shop.example.net") });
    expect((await remove(`${path}/shop.example.net`)).status).toBe(409);
    await remove("/teams/payments/routes/shop");
    expect((await remove(`${path}/shop.example.net`)).status).toBe(204);
    expect((await get(`${path}/shop.example.net`)).status).toBe(404);
    expect((await post(path, { name: "*.example.net", scope: "tree" })).body.errors).toMatchObject([
      { pointer: "/name" },
    ]);
  });

  test("a token is shown once, works until it is revoked and is listed without its secret", async () => {
    const made = await post("/tokens", { name: "ci", team: "payments", role: "editor" });
    expect(made).toMatchObject({ status: 201, body: { token: expect.stringMatching(/^hwt_/), team: "payments" } });
    const { token, id } = made.body;
    expect(made.headers.get("location")).toBe(`/api/v1/tokens/${id}`);
    expect((await get("/session", { token })).body).toEqual({ name: "ci", role: "editor", team: "payments" });
    const list = await get("/tokens?team=payments");
    expect(JSON.stringify(list.body)).not.toContain(token);
    expect(list.body.items.map((one: { id: string }) => one.id)).toContain(id);
    expect((await remove(`/tokens/${id}`)).status).toBe(204);
    expect((await get("/session", { token })).status).toBe(401);
    expect((await remove("/tokens/not-an-id")).status).toBe(404);
  });

  test("a claim is approved and given up under its ETag only", async () => {
    const claim = "/teams/payments/domains/etag.example.com";
    await post("/teams/payments/domains", { name: "etag.example.com", scope: "exact" });
    const approve = (etag: string) => api.call("POST", `/api/v1${claim}/approve`, { headers: { "if-match": etag } });
    expect(await approve('"9"')).toMatchObject({ status: 412, body: { code: "version_differs" } });
    expect(await approve('"1"')).toMatchObject({ status: 200, body: { version: 2 } });
    expect((await remove(claim, { "if-match": '"1"' })).status).toBe(412);
    expect((await get(claim)).status).toBe(200);
    expect((await remove(claim, { "if-match": '"2"' })).status).toBe(204);
  });

  test("the last administrator's token cannot be revoked; an id is the same in upper case", async () => {
    const { items } = (await get("/tokens")).body;
    const first = items.find((one: { name: string }) => one.name === "first-admin");
    expect(await remove(`/tokens/${first.id}`)).toMatchObject({ status: 409, body: { code: "last_admin_token" } });
    const { id, token } = (await post("/tokens", { name: "shouted", role: "viewer" })).body;
    expect((await remove(`/tokens/${id.toUpperCase()}`)).status).toBe(204);
    expect((await get("/session", { token })).status).toBe(401);
  });

  test("a token's role and team go together", async () => {
    const pointers = async (body: object) => (await post("/tokens", body)).body.errors;
    expect(await pointers({ name: "x", role: "editor" })).toMatchObject([{ pointer: "/team", code: "required" }]);
    expect(await pointers({ name: "x", role: "admin", team: "payments" })).toMatchObject([
      { pointer: "/team", code: "not_allowed" },
    ]);
    expect(await pointers({ name: "x", role: "root", expiresAt: "tomorrow" })).toMatchObject([
      { pointer: "/role", code: "not_allowed" },
      { pointer: "/expiresAt", code: "bad_format" },
    ]);
  });

  test("a pool is deleted only when nothing is in it, and shows others its name only", async () => {
    expect((await remove("/pools/public")).status).toBe(409);
    const token = await api.tokenOf("reader", "payments");
    expect((await get("/pools/public", { token })).body).toEqual({ name: "public" });
    expect((await get("/pools", { token })).body.items).toEqual([{ name: "public" }]);
  });

  test("a join token comes with the command to run", async () => {
    const made = await post("/pools/public/join-tokens");
    expect(made).toMatchObject({ status: 201, body: { token: expect.stringMatching(/^hwj_/) } });
    expect(made.body.command).toContain("127.0.0.1:8081");
    expect((await post("/pools/nowhere/join-tokens", { labels: { site: "ams" } })).status).toBe(404);
  });

  test("a route's stats are zero before its first connection", async () => {
    await put("/teams/payments/routes/counted", { spec: routeSpec("counted.example.com") });
    const { body } = await get("/stats/routes/payments/counted");
    expect(body.totals).toEqual({ opened: 0, active: 0, closed: 0, rxBytes: 0, txBytes: 0, overLimit: 0, reasons: {} });
    expect((await get("/stats/routes/payments/none")).status).toBe(404);
    const wrong = await get(
      "/stats/routes/payments/counted?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z&step=90s&x=1",
    );
    expect(wrong.body.errors.map((error: { pointer: string }) => error.pointer).toSorted()).toEqual([
      "?step",
      "?to",
      "?x",
    ]);
    const steps = await get("/stats/routes/payments/counted?step=1m");
    expect(steps.body.series.length).toBeGreaterThan(0);
    expect((await get("/stats/routes/payments/counted?to=9999-12-31T23:59:59.999Z")).status).toBe(200);
    await remove("/teams/payments/routes/counted");
  });

  test("nothing failed on our side", () => {
    expect(api.errors).toEqual([]);
  });
});
