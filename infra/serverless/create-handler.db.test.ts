import { openPostgres } from "@helloway/control/db/postgres";
import { createFirstAdminToken } from "@helloway/control/fleet/admin-token";
import { ensureInstallation } from "@helloway/control/fleet/installation";
import { createSealing } from "@helloway/control/fleet/sealing";
import { createDatabaseUrl } from "@helloway/test/harness/test-database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHandler, type Handler } from "./create-handler.ts";

const secretKey = "a key for the test of the function";

describe("postgres", () => {
  let handler: Handler;
  let token: string;

  const call = (method: string, path: string, body?: object) =>
    handler.fetch(
      new Request(`https://api.example.com${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );

  beforeAll(async () => {
    const url = await createDatabaseUrl();
    // What a `helloway control` on the same database has done.
    const database = openPostgres(url, { applicationName: "test" });
    const now = () => new Date();
    await ensureInstallation(database.db, { sealing: createSealing(secretKey), now: now() });
    token = (await createFirstAdminToken(database.db, { now })) ?? "";
    await database.close();
    handler = createHandler({
      DATABASE_URL: url,
      HELLOWAY_SECRET_KEY: secretKey,
      HELLOWAY_PUBLIC_URL: "https://api.example.com",
      HELLOWAY_GRPC_PUBLIC_ADDRESS: "control.example.com:8081",
    });
  });

  afterAll(() => handler.close());

  test("serves the API by fetch alone", async () => {
    expect((await call("PUT", "/api/v1/teams/payments", { spec: {} })).status).toBe(201);
    const read = await call("GET", "/api/v1/teams/payments");
    expect(read.status).toBe(200);
    expect(await read.json()).toMatchObject({ name: "payments", version: 1 });
    expect((await call("GET", "/readyz")).status).toBe(200);
  });

  test("serves the documentation with its script", async () => {
    expect((await call("GET", "/docs")).status).toBe(200);
    const script = await call("GET", "/docs/scalar.js");
    expect(script.headers.get("content-type")).toMatch(/javascript/);
    expect((await script.arrayBuffer()).byteLength).toBeGreaterThan(1_000_000);
  });

  test("answers for its public URL only", async () => {
    expect((await handler.fetch(new Request("https://other.example.com/api/v1/session"))).status).toBe(421);
  });
});

test("an environment that is not enough is refused with every problem", () => {
  expect(() => createHandler({ HELLOWAY_PUBLIC_URL: "not a url" })).toThrow(
    /DATABASE_URL[^]*HELLOWAY_SECRET_KEY[^]*HELLOWAY_GRPC_PUBLIC_ADDRESS/,
  );
});
