import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, expect, test } from "vitest";
import type { Api } from "@helloway/test/harness/api";

const dayMs = 24 * 60 * 60 * 1000;

eachDatabase((openDatabase) => {
  let api: Api;
  let now = new Date("2026-11-23T12:00:00Z");
  const domains = "/api/v1/teams/payments/domains";
  const claim = (key: string, body: object, token?: string) =>
    api.call("POST", domains, { body, headers: { "idempotency-key": key }, ...(token === undefined ? {} : { token }) });
  const claims = async () => (await api.call("GET", `${domains}?limit=500`)).body.items.length as number;

  beforeAll(async () => {
    api = await startApi(await openDatabase(), { now: () => now });
    await api.call("PUT", "/api/v1/teams/payments", { body: { spec: {} } });
    await api.call("PUT", "/api/v1/pools/public", { body: { spec: {} } });
  });

  test("a repeat gets the first answer again and does nothing", async () => {
    const body = { name: "a.example.com", scope: "exact" };
    const first = await claim("k1", body);
    expect(first.status).toBe(201);
    const before = await claims();
    const again = await claim("k1", body);
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(again.headers.get("etag")).toBe(first.headers.get("etag"));
    expect(await claims()).toBe(before);
  });

  test("repeats that come at the same time do it once, and all get the same answer", async () => {
    const body = { name: "b.example.com", scope: "exact" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => claim("k2", body)));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 8 }, () => 201));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
  });

  test("the key of another body is refused", async () => {
    await claim("k3", { name: "c.example.com", scope: "exact" });
    const other = await claim("k3", { name: "c.example.com", scope: "tree" });
    expect(other).toMatchObject({ status: 422, body: { code: "idempotency_key_reused" } });
  });

  test("the same key of another caller or at another path is another key", async () => {
    const owner = await api.tokenOf("owner", "payments");
    await claim("k4", { name: "d.example.com", scope: "exact" });
    expect((await claim("k4", { name: "d.example.com", scope: "exact" }, owner)).body.code).toBe("domain_exists");
    const approved = await api.call("POST", `${domains}/d.example.com/approve`, {
      headers: { "idempotency-key": "k4" },
    });
    expect(approved.status).toBe(200);
  });

  test("a request that failed claimed nothing and may be repeated", async () => {
    const body = { name: "e.example.com", scope: "exact" };
    await claim("k5-before", body);
    expect((await claim("k5", body)).body.code).toBe("domain_exists");
    await api.call("DELETE", `${domains}/e.example.com`);
    expect((await claim("k5", body)).status).toBe(201);
  });

  test("a secret is not issued twice: the repeat is told so", async () => {
    for (const [path, body] of [
      ["/api/v1/tokens", { name: "once", role: "viewer" }],
      ["/api/v1/pools/public/join-tokens", {}],
    ] as const) {
      const ask = () => api.call("POST", path, { body, headers: { "idempotency-key": "k6" } });
      expect((await ask()).status).toBe(201);
      expect(await ask()).toMatchObject({ status: 409, body: { code: "secret_already_issued" } });
    }
    const listed = await api.call("GET", "/api/v1/tokens?limit=500");
    expect(listed.body.items.filter((token: { name: string }) => token.name === "once")).toHaveLength(1);
  });

  test("a key is forgotten after a day", async () => {
    const body = { name: "f.example.com", scope: "exact" };
    await claim("k7", body);
    now = new Date(now.getTime() + dayMs + 1);
    expect((await claim("k7", body)).body.code).toBe("domain_exists");
  });

  test("a key that is no key is refused", async () => {
    const answer = await claim("two words", { name: "g.example.com", scope: "exact" });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: "idempotency-key:" }] } });
  });
});
