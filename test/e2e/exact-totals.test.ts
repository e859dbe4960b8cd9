import { expect, test } from "vitest";
import { startCountingBackend } from "../harness/counting-backend.ts";
import { startInstallation } from "../harness/installation.ts";
import { type Visit, visit } from "../harness/tls-visit.ts";

interface Totals {
  opened: number;
  active: number;
  closed: number;
  rxBytes: number;
  txBytes: number;
  reasons: Record<string, number>;
}

const connections = 1_000;
const atOnce = 10;

test("after 1,000 connections, with the control plane killed and restarted in the middle, totals and bytes are exact", async () => {
  await using installation = await startInstallation();
  await using backend = await startCountingBackend(["app.shop.test"], "counted");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  const edge = await installation.addEdge("public", "edge-1");
  await installation.api("PUT", "/teams/shop/routes/app", {
    spec: { pool: "public", hostnames: ["app.shop.test"], backends: [{ address: backend.address }] },
  });
  await expect
    .poll(
      async () =>
        (await installation.api<{ status: { state: string } }>("GET", "/teams/shop/routes/app")).body.status.state,
      { timeout: 20_000 },
    )
    .toBe("live");

  const done: Visit[] = [];
  const visitMany = async (count: number): Promise<void> => {
    let left = count;
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const message = "x".repeat(1 + ((left * 7919) % 5_000));
        done.push(await visit({ port: edge.port, servername: "app.shop.test", ca: backend.cert, message }));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
  };
  const totals = async () => (await installation.api<{ totals: Totals }>("GET", "/stats/routes/shop/app")).body.totals;

  await visitMany(connections * 0.3);
  // Some of what happened is reported, some is not: the control plane dies between the two.
  await expect.poll(async () => (await totals()).opened).toBeGreaterThan(0);
  const during = visitMany(connections * 0.4);
  await installation.control.kill("SIGKILL");
  await during;
  await installation.restartControl();
  await visitMany(connections * 0.3);

  const sum = (pick: (v: Visit) => number): number => done.reduce((total, v) => total + pick(v), 0);
  await expect.poll(totals, { timeout: 40_000, interval: 250 }).toMatchObject({
    opened: connections,
    closed: connections,
    active: 0,
    rxBytes: sum((v) => v.sent),
    txBytes: sum((v) => v.received),
  });
  expect(backend.handshakes()).toBe(connections);
  const { reasons } = await totals();
  expect(Object.values(reasons).reduce((a, b) => a + b, 0)).toBe(connections);
  const now = Date.now();
  const window = `from=${new Date(now - 600_000).toISOString()}&to=${new Date(now + 60_000).toISOString()}`;
  const ranged = await installation.api<{ series: { opened: number; rxBytes: number }[] }>(
    "GET",
    `/stats/routes/shop/app?${window}`,
  );
  expect(ranged.body.series.reduce((total, row) => total + row.opened, 0)).toBe(connections);
  expect(ranged.body.series.reduce((total, row) => total + row.rxBytes, 0)).toBe(sum((v) => v.sent));
});
