import { startApi } from "@helloway/test/harness/api";
import { eachDatabase } from "@helloway/test/harness/database";
import { beforeAll, expect, test } from "vitest";
import type { Api } from "@helloway/test/harness/api";

const routesMade = 250;
const nameOf = (index: number) => `route-${String(index).padStart(3, "0")}`;

eachDatabase((openDatabase) => {
  let api: Api;
  const get = (path: string) => api.call("GET", `/api/v1${path}`);

  async function makeRoute(name: string) {
    const spec = {
      pool: "public",
      hostnames: [`${name}.example.com`],
      backends: [{ address: "backend.example.net:443" }],
    };
    return await api.call("PUT", `/api/v1/teams/payments/routes/${name}`, { body: { spec } });
  }

  async function walk(path: string, limit: number): Promise<{ names: string[]; pages: number }> {
    const names: string[] = [];
    let pages = 0;
    for (let cursor: string | null = null; ; pages++) {
      const { body } = await get(`${path}?limit=${limit}${cursor === null ? "" : `&cursor=${cursor}`}`);
      names.push(...body.items.map((item: { name: string }) => item.name));
      cursor = body.nextCursor;
      if (cursor === null) return { names, pages: pages + 1 };
    }
  }

  beforeAll(async () => {
    api = await startApi(await openDatabase());
    await api.call("PUT", "/api/v1/teams/payments", { body: { spec: {} } });
    await api.call("PUT", "/api/v1/pools/public", { body: { spec: {} } });
    await api.call("POST", "/api/v1/teams/payments/domains", { body: { name: "example.com", scope: "tree" } });
    await api.call("POST", "/api/v1/teams/payments/domains/example.com/approve");
    for (let index = 0; index < routesMade; index += 10) {
      const batch = Array.from({ length: 10 }, (_, offset) => makeRoute(nameOf(index + offset)));
      for (const made of await Promise.all(batch)) expect(made.status).toBe(201);
    }
  });

  test.each([1, 7, 50, 100, 249, 250, 251, 500])(
    "cursors walk 250 routes in order, %d at a time, each once",
    async (limit) => {
      const expected = Array.from({ length: routesMade }, (_, index) => nameOf(index));
      for (const path of limit === 1 ? ["/routes"] : ["/routes", "/teams/payments/routes"]) {
        const { names, pages } = await walk(path, limit);
        expect(names).toEqual(expected);
        expect(pages).toBe(Math.ceil(routesMade / limit));
      }
    },
  );

  test("a page has 100 items unless told otherwise", async () => {
    expect((await get("/routes")).body.items).toHaveLength(100);
  });

  test("a route that is deleted between two pages neither repeats nor hides another", async () => {
    const first = await get("/routes?limit=10");
    await api.call("DELETE", `/api/v1/teams/payments/routes/${nameOf(9)}`);
    const second = await get(`/routes?limit=10&cursor=${first.body.nextCursor}`);
    expect(second.body.items[0].name).toBe(nameOf(10));
  });

  test.each([
    ["limit=0", "?limit", "out_of_range"],
    ["limit=501", "?limit", "out_of_range"],
    ["limit=ten", "?limit", "out_of_range"],
    ["limit=1&limit=2", "?limit", "wrong_type"],
    ["cursor=nonsense", "?cursor", "bad_cursor"],
    ["filter=name:x", "?filter", "unsupported"],
    ["sort=name", "?sort", "unsupported"],
    ["page=2", "?page", "unknown_field"],
    ["__proto__=1", "?__proto__", "unknown_field"],
  ])("?%s is refused", async (query, pointer, code) => {
    for (const path of ["/routes", "/teams", "/tokens", "/pools", "/edges", "/teams/payments/domains"]) {
      expect(await get(`${path}?${query}`), path).toMatchObject({ status: 422, body: { errors: [{ pointer, code }] } });
    }
  });
});
