import { createServer } from "node:net";
import { expect, test } from "vitest";
import { startCountingBackend } from "../harness/counting-backend.ts";
import { startInstallation } from "../harness/installation.ts";
import { visit } from "../harness/tls-visit.ts";

interface RouteBody {
  status: { state: string; edges: { edge: string; accepted: boolean; reason?: string }[] };
}

test("an edge refuses the object that would reach its own admin endpoint, says why, and serves the rest", async () => {
  await using installation = await startInstallation();
  await using backend = await startCountingBackend(["good.shop.test"], "good");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  const admin = `127.0.0.1:${await freePort()}`;
  const put = async (name: string, address: string) =>
    await installation.api("PUT", `/teams/shop/routes/${name}`, {
      spec: { pool: "public", hostnames: [`${name}.shop.test`], backends: [{ address }] },
    });
  // No edge has reported that socket yet, so the API cannot know.
  expect((await put("bad", admin)).status).toBe(201);
  expect((await put("good", backend.address)).status).toBe(201);

  const edge = await installation.addEdge("public", "edge-1", { HELLOWAY_EDGE_ADMIN: admin });
  const status = async (name: string) =>
    (await installation.api<RouteBody>("GET", `/teams/shop/routes/${name}`)).body.status;
  await expect.poll(async () => (await status("good")).state).toBe("live");
  await expect.poll(async () => (await status("bad")).state).toBe("rejected");
  const [refusing] = (await status("bad")).edges;
  expect(refusing).toMatchObject({ edge: "edge-1", accepted: false });
  expect(refusing?.reason).toMatch(/backend_not_allowed|address_reserved/);

  expect((await visit({ port: edge.port, servername: "good.shop.test", ca: backend.cert })).greeting).toBe("good");
  await expect(visit({ port: edge.port, servername: "bad.shop.test", ca: backend.cert })).rejects.toThrow(
    /unrecognized.name/i,
  );
  // From now on the API knows, and says so at the write.
  expect((await put("worse", admin)).status).toBe(422);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve());
  });
  const address = server.address();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
