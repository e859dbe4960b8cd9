import { expect, test } from "vitest";
import { startCountingBackend } from "../harness/counting-backend.ts";
import { startInstallation } from "../harness/installation.ts";
import { startPostgres } from "../harness/postgres.ts";
import { startProcess } from "../harness/processes.ts";
import { visit } from "../harness/tls-visit.ts";

interface RouteBody {
  code?: string;
  status: { state: string };
}
interface Stats {
  totals: { opened: number; closed: number };
}

test("while Postgres is away traffic goes on and the API says 503; when it is back everything recovers, nothing lost", async () => {
  await using postgres = await startPostgres();
  await using installation = await startInstallation({ databaseUrl: postgres.url(await postgres.createDatabase()) });
  await using backend = await startCountingBackend(["app.shop.test"], "app");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  const edge = await installation.addEdge("public", "edge-1");
  const put = async (name: string) =>
    await installation.api<RouteBody>("PUT", `/teams/shop/routes/${name}`, {
      spec: { pool: "public", hostnames: [`${name}.shop.test`], backends: [{ address: backend.address }] },
    });
  const state = async (name: string) =>
    (await installation.api<RouteBody>("GET", `/teams/shop/routes/${name}`)).body.status?.state;
  const arrive = async () => await visit({ port: edge.port, servername: "app.shop.test", ca: backend.cert });
  expect((await put("app")).status).toBe(201);
  await expect.poll(async () => await state("app")).toBe("live");
  await arrive();

  await postgres.stop();
  const refused = await put("other");
  expect(refused.status).toBe(503);
  expect(refused.headers.get("content-type")).toContain("application/problem+json");
  expect(refused.body.code).toBe("database_unavailable");
  expect((await fetch(`http://${installation.http}/readyz`)).status).toBe(503);
  expect((await fetch(`http://${installation.http}/livez`)).status).toBe(200);
  await arrive();
  // A replica that has not read Postgres for 10 s lets its edges go, so that they find one that can.
  await expect
    .poll(() => installation.control.stderr(), { timeout: 30_000 })
    .toContain("ending the streams of all edges");
  await arrive();

  await postgres.start();
  await expect.poll(async () => (await put("other")).status, { timeout: 30_000 }).toBeLessThan(300);
  await expect.poll(async () => await state("other"), { timeout: 30_000 }).toBe("live");
  await expect
    .poll(async () => (await installation.api<Stats>("GET", "/stats/routes/shop/app")).body.totals, { timeout: 40_000 })
    .toMatchObject({ opened: 3, closed: 3 });
});

test("a database that is away at start is waited for, with a message, and served when it comes", async () => {
  await using postgres = await startPostgres();
  const databaseUrl = postgres.url(await postgres.createDatabase());
  await postgres.stop();
  const { mkdtemp, rm } = await import("node:fs/promises");
  const directory = await mkdtemp("/tmp/helloway-e2e-");
  await using control = startProcess("control", {
    HELLOWAY_DATA_DIR: directory,
    HELLOWAY_HTTP_ADDRESS: "127.0.0.1:0",
    HELLOWAY_GRPC_ADDRESS: "127.0.0.1:0",
    HELLOWAY_SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
    DATABASE_URL: databaseUrl,
  });
  await expect.poll(() => control.stderr()).toMatch(/database/i);
  await postgres.start();
  const { http } = (await control.ready) as { http: string };
  expect((await fetch(`http://${http}/readyz`)).status).toBe(200);
  await rm(directory, { recursive: true, force: true });
});
