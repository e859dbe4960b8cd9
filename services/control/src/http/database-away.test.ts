import { beforeEach, expect, test } from "vitest";
import { openPostgres } from "../db/postgres.ts";
import { createSealing } from "../fleet/sealing.ts";
import { makeTokenText } from "../fleet/token-text.ts";
import { createApp } from "./app.ts";

const logged: { requestId?: string }[] = [];

// Nothing listens on port 1.
const app = createApp({
  database: openPostgres("postgres://nobody@127.0.0.1:1/nothing", { applicationName: "test" }),
  sealing: createSealing("k".repeat(43)),
  now: () => new Date(),
  log: { error: (fields) => logged.push(fields) },
  publicUrl: null,
  loopback: true,
  grpcPublicAddress: "127.0.0.1:8081",
  docsScript: () => Promise.resolve(new Uint8Array()),
});

const get = (path: string) =>
  app.fetch(new Request(`http://localhost${path}`, { headers: { authorization: `Bearer ${makeTokenText()}` } }));

beforeEach(() => {
  logged.length = 0;
});

test.each(["/readyz", "/api/v1/session", "/api/v1/teams"])(
  "%s is unavailable for now, and the log has why",
  async (path) => {
    const response = await get(path);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    const body = (await response.json()) as { requestId: string };
    expect(body).toMatchObject({ status: 503, code: "database_unavailable" });
    expect(logged).toMatchObject([{ requestId: body.requestId }]);
  },
);

test.each(["/livez", "/docs", "/openapi.json"])("%s answers all the same", async (path) => {
  expect((await get(path)).status).toBe(200);
  expect(logged).toEqual([]);
});
