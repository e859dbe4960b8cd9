import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, describe, expect, test } from "vitest";
import { bodyBytesMax } from "./json-body.ts";
import type { Api } from "@helloway/test/harness/api";

eachDatabase((openDatabase) => {
  let api: Api;

  beforeAll(async () => {
    api = await startApi(await openDatabase());
  });

  describe("a body", () => {
    const put = (body: string, headers: Record<string, string> = {}) =>
      api.call("PUT", "/api/v1/teams/payments", { body, headers });

    test.each(["{", "", '{"spec":{}}}', '{"spec":{},}', "\u0000"])("%j is malformed", async (body) => {
      expect(await put(body)).toMatchObject({ status: 400 });
    });

    test("that says two things is malformed, with the place", async () => {
      const answer = await put('{"spec":{"quotas":{"routes":1,"routes":2}},"__proto__":{}}');
      expect(answer).toMatchObject({
        status: 400,
        body: { code: "malformed_json", errors: [{ pointer: "/spec/quotas/routes" }, { pointer: "/__proto__" }] },
      });
    });

    test.each(["null", "[]", "7", '"text"'])("%s is JSON and no team", async (body) => {
      expect(await put(body)).toMatchObject({ status: 422, body: { errors: [{ pointer: "", code: "wrong_type" }] } });
    });

    test("over the limit is too large", async () => {
      expect((await put(`{"description":"${"x".repeat(bodyBytesMax)}"}`)).status).toBe(413);
    });

    test("of another type is refused", async () => {
      expect((await put("{}", { "content-type": "application/yaml" })).status).toBe(415);
    });

    test("with a field that is not acted on yet is refused as unsupported, and nothing is stored", async () => {
      const answer = await put('{"spec":{"members":[{"group":"g","role":"owner"}]}}');
      expect(answer).toMatchObject({
        status: 422,
        body: { code: "unsupported", errors: [{ pointer: "/spec/members" }] },
      });
      expect((await api.call("GET", "/api/v1/teams/payments")).status).toBe(404);
    });
  });

  describe("a path", () => {
    test("that is not served is a problem", async () => {
      for (const path of [
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/teams/",
        "/api/v1/audit",
        "/api/v1/teams/a/routes/b/history",
      ]) {
        expect(await api.call("GET", path), path).toMatchObject({ status: 404, body: { code: "no_such_path" } });
      }
    });

    test("with another method is a problem that says which there are", async () => {
      const answer = await api.call("PATCH", "/api/v1/teams/payments");
      expect(answer).toMatchObject({ status: 405, body: { code: "method_not_allowed" } });
      expect(answer.headers.get("allow")).toBe("DELETE, GET, HEAD, PUT");
      expect((await api.call("POST", "/livez")).headers.get("allow")).toBe("GET, HEAD");
    });

    test("with a name that nothing can have is not found, and cannot be written", async () => {
      for (const name of ["UPPER", "a%00b", "a%2Fb", "x".repeat(64), "%ff", "-a"]) {
        expect((await api.call("GET", `/api/v1/teams/${name}`)).status, name).toBe(404);
        expect((await api.call("DELETE", `/api/v1/teams/${name}`)).status, name).toBe(404);
        expect(await api.call("PUT", `/api/v1/teams/${name}`, { body: { spec: {} } }), name).toMatchObject({
          status: 422,
          body: { errors: [{ pointer: "{team}", code: "bad_format" }] },
        });
      }
    });
  });

  test("a caller's request id comes back, unless it could do harm", async () => {
    const idOf = async (given: string) =>
      (await api.call("GET", "/api/v1/session", { headers: { "x-request-id": given } })).headers.get("x-request-id");
    expect(await idOf("abc-123")).toBe("abc-123");
    expect(await idOf("a b")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf("x".repeat(65))).toMatch(/^[0-9a-f-]{36}$/);
    const problem = await api.call("GET", "/api/v1/teams/none", { headers: { "x-request-id": "abc" } });
    expect(problem.body.requestId).toBe("abc");
  });

  test("a Host that is not ours is misdirected, but for probes", async () => {
    const headers = { host: "evil.example" };
    expect((await api.call("GET", "/api/v1/session", { headers })).status).toBe(421);
    expect((await api.call("GET", "/docs", { headers })).status).toBe(421);
    expect((await api.call("GET", "/livez", { headers })).status).toBe(200);
    expect((await api.call("GET", "/readyz", { headers })).status).toBe(200);
    expect((await api.call("GET", "/api/v1/session", { headers: { host: "127.0.0.1:8080" } })).status).toBe(200);
  });

  test("answers are not kept, sniffed, framed or shared across origins", async () => {
    const { headers } = await api.call("GET", "/api/v1/session", { headers: { origin: "https://evil.example" } });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  test("HEAD answers as GET does, without the body", async () => {
    const answer = await api.call("HEAD", "/api/v1/session");
    expect(answer).toMatchObject({ status: 200, body: null });
  });

  test("a token in another scheme, or in the URL, is none", async () => {
    const authorization = `Basic ${btoa(`x:${api.adminToken}`)}`;
    expect((await api.call("GET", "/api/v1/session", { token: null, headers: { authorization } })).status).toBe(401);
    expect((await api.call("GET", `/api/v1/session?token=${api.adminToken}`, { token: null })).status).toBe(401);
  });

  test("a number beyond all numbers is refused as too large", async () => {
    const body = '{"spec":{"quotas":{"routes":1e999}}}';
    const { body: problem } = await api.call("PUT", "/api/v1/teams/payments", { body });
    expect(problem.errors).toMatchObject([
      { pointer: "/spec/quotas/routes", code: "wrong_type", detail: expect.stringContaining("too large") },
    ]);
  });

  test("nothing failed on our side", () => {
    expect(api.errors).toEqual([]);
  });
});
