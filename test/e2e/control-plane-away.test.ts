import { expect, test } from "vitest";
import { startCountingBackend } from "../harness/counting-backend.ts";
import { startInstallation } from "../harness/installation.ts";
import { visit } from "../harness/tls-visit.ts";

interface RouteBody {
  revision: number;
  status: { state: string };
}
interface EdgeBody {
  status: {
    state: string;
    desired: { revision: number };
    applied: { revision: number };
    saved: { revision: number } | null;
  };
}

test("traffic outlives the control plane and the agent's own restart; both converge by themselves", async () => {
  await using installation = await startInstallation();
  await using first = await startCountingBackend(["app.shop.test"], "first");
  await using second = await startCountingBackend(["app.shop.test"], "second");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  const edge = await installation.addEdge("public", "edge-1");
  const put = async (address: string) =>
    await installation.api<RouteBody>("PUT", "/teams/shop/routes/app", {
      spec: { pool: "public", hostnames: ["app.shop.test"], backends: [{ address }] },
    });
  const state = async () => (await installation.api<RouteBody>("GET", "/teams/shop/routes/app")).body.status.state;
  const greeting = async (ca: string) => (await visit({ port: edge.port, servername: "app.shop.test", ca })).greeting;

  expect((await put(first.address)).status).toBe(201);
  await expect.poll(state).toBe("live");
  expect(await greeting(first.cert)).toBe("first");

  // An edge serves a route before its disk has it.
  const saved = async () => {
    const { applied, saved } = (await installation.api<EdgeBody>("GET", "/edges/edge-1")).body.status;
    return saved?.revision === applied.revision;
  };
  await expect.poll(saved).toBe(true);

  await installation.control.kill("SIGKILL");
  expect(await greeting(first.cert)).toBe("first");

  await edge.process.kill("SIGKILL");
  await edge.restart();
  expect(await greeting(first.cert)).toBe("first");

  await installation.restartControl();
  expect((await put(second.address)).status).toBe(200);
  await expect.poll(state, { timeout: 30_000 }).toBe("live");
  expect(await greeting(second.cert)).toBe("second");
  const answer = await installation.api<EdgeBody>("GET", "/edges/edge-1");
  expect(answer.body.status).toMatchObject({ state: "up" });
  expect(answer.body.status.applied.revision).toBe(answer.body.status.desired.revision);
});

test("an established connection outlives edits, the control plane and its return", async () => {
  await using installation = await startInstallation();
  await using backend = await startCountingBackend(["app.shop.test"], "kept");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  const edge = await installation.addEdge("public", "edge-1");
  const state = async () => (await installation.api<RouteBody>("GET", "/teams/shop/routes/app")).body?.status?.state;
  await installation.api("PUT", "/teams/shop/routes/app", {
    spec: { pool: "public", hostnames: ["app.shop.test"], backends: [{ address: backend.address }] },
  });
  await expect.poll(state).toBe("live");

  const { connect } = await import("node:tls");
  const client = connect({ host: "127.0.0.1", port: edge.port, servername: "app.shop.test", ca: backend.cert });
  client.setEncoding("utf8");
  let said = "";
  client.on("data", (chunk: string) => {
    said += chunk;
  });
  await expect.poll(() => said).toBe("kept\n");

  await installation.control.kill("SIGKILL");
  await installation.restartControl();
  expect((await installation.api("DELETE", "/teams/shop/routes/app")).status).toBe(204);
  await expect
    .poll(
      async () =>
        await visit({ port: edge.port, servername: "app.shop.test", ca: backend.cert }).then(
          () => "served",
          (error: Error) => error.message,
        ),
      { timeout: 30_000 },
    )
    .toMatch(/unrecognized.name/i);

  client.write("still here\n");
  await expect.poll(() => said).toBe("kept\nstill here\n");
  client.destroy();
});
