import { expect, test } from "vitest";
import { type AdminServer, startAdmin } from "./admin.ts";

async function admin(
  notReady: string[] = [],
): Promise<AdminServer & { get(path: string, method?: string): Promise<Response> }> {
  const source = { notReady: () => notReady, table: () => ({ revision: 7 }) };
  const server = await startAdmin({ address: "127.0.0.1", port: 0 }, source);
  const get = (path: string, method = "GET"): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.address.port}${path}`, { method });
  return Object.assign(server, { get });
}

test("is live, and ready with nothing against it", async () => {
  await using server = await admin();
  expect((await server.get("/livez")).status).toBe(200);
  const ready = await server.get("/readyz?verbose");
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({ ready: true, reasons: [] });
});

test("says why it is not ready", async () => {
  await using server = await admin(["draining"]);
  const ready = await server.get("/readyz");
  expect(ready.status).toBe(503);
  expect(await ready.json()).toEqual({ ready: false, reasons: ["draining"] });
  expect((await server.get("/livez")).status).toBe(200);
});

test("shows the table, and its length to HEAD", async () => {
  await using server = await admin();
  const table = await server.get("/table");
  expect(table.headers.get("content-type")).toContain("application/json");
  expect(await table.json()).toEqual({ revision: 7 });
  const head = await server.get("/table", "HEAD");
  expect(head.headers.get("content-length")).toBe(table.headers.get("content-length"));
  expect(await head.text()).toBe("");
});

test("has nothing else, and nothing to write to", async () => {
  await using server = await admin();
  for (const path of ["/", "/metrics", "/table/", "/tables", "//table"])
    expect((await server.get(path)).status).toBe(404);
  for (const method of ["POST", "PUT", "DELETE"]) {
    const refused = await server.get("/table", method);
    expect(refused.status).toBe(405);
    expect(refused.headers.get("allow")).toBe("GET, HEAD");
  }
});

test("names the failure when the port is taken", async () => {
  await using server = await admin();
  await expect(startAdmin(server.address, { notReady: () => [], table: () => null })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
});
