import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type CountingBackend, startCountingBackend } from "../harness/counting-backend.ts";
import { type Edge, type Installation, startInstallation } from "../harness/installation.ts";
import { visit } from "../harness/tls-visit.ts";

const run = promisify(execFile);

interface RouteBody {
  revision: number;
  status: {
    state: string;
    revision: number;
    edges: { edge: string; revision: number; accepted: boolean; reason?: string }[];
  };
}
interface EdgeBody {
  status: { state: string; desired: { revision: number }; applied: { revision: number } };
}

describe("one hostname, from the API to a real client", () => {
  let installation: Installation;
  let edge: Edge;
  let backend: CountingBackend;

  beforeAll(async () => {
    installation = await startInstallation();
    backend = await startCountingBackend(["app.shop.test"], "shop");
    await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
    edge = await installation.addEdge("public", "edge-1");
    const answer = await installation.api("PUT", "/teams/shop/routes/app", {
      spec: { pool: "public", hostnames: ["app.shop.test"], backends: [{ address: backend.address }] },
    });
    expect(answer.status).toBe(201);
    await vi.waitFor(async () => expect((await route()).status.state).toBe("live"), { timeout: 20_000 });
  });
  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });
  const route = async (): Promise<RouteBody> =>
    (await installation.api<RouteBody>("GET", "/teams/shop/routes/app")).body;

  test("the client sees the backend's own certificate", async () => {
    const seen = await visit({ port: edge.port, servername: "app.shop.test", ca: backend.cert });
    expect(seen.greeting).toBe("shop");
    expect(seen.fingerprint).toBe(new X509Certificate(backend.cert).fingerprint256);
  });

  test("the route says which edge serves which revision, and the edge desired and applied", async () => {
    const body = await route();
    expect(body.status.edges).toHaveLength(1);
    expect(body.status.edges[0]).toMatchObject({ edge: "edge-1", accepted: true });
    expect(body.status.edges[0]?.revision).toBeGreaterThanOrEqual(body.revision);
    const answer = await installation.api<EdgeBody>("GET", "/edges/edge-1");
    expect(answer.body.status.state).toBe("up");
    expect(answer.body.status.applied.revision).toBe(answer.body.status.desired.revision);
  });

  test("openssl s_client gets through", async () => {
    const ca = join(installation.dataDirectory, "backend.pem");
    await writeFile(ca, backend.cert);
    const child = run("openssl", [
      "s_client",
      "-connect",
      `127.0.0.1:${edge.port}`,
      "-servername",
      "app.shop.test",
      "-CAfile",
      ca,
      "-verify_return_error",
      "-brief",
      "-ign_eof",
    ]);
    child.child.stdin?.end("Q\n");
    child.child.stdout?.once("data", () => child.child.kill("SIGTERM"));
    const said = await child.catch((error: { stdout: string; stderr: string }) => error);
    expect(said.stdout).toContain("shop");
    expect(said.stderr).toContain("Verification: OK");
  });

  test("a name nobody registered is refused with unrecognized_name", async () => {
    await expect(visit({ port: edge.port, servername: "other.test", ca: backend.cert })).rejects.toThrow(
      /unrecognized.name/i,
    );
  });

  test("a deleted route is served by no edge", async () => {
    const body = { spec: { pool: "public", hostnames: ["gone.shop.test"], backends: [{ address: backend.address }] } };
    expect((await installation.api("PUT", "/teams/shop/routes/gone", body)).status).toBe(201);
    await expect
      .poll(async () => (await installation.api<RouteBody>("GET", "/teams/shop/routes/gone")).body.status.state)
      .toBe("live");
    expect((await installation.api("DELETE", "/teams/shop/routes/gone")).status).toBe(204);
    await expect
      .poll(
        async () =>
          await visit({ port: edge.port, servername: "gone.shop.test", ca: backend.cert }).then(
            () => "served",
            (error: Error) => error.message,
          ),
        { timeout: 20_000 },
      )
      .toMatch(/unrecognized.name/i);
  });

  test("a backend that is a socket of the edge is refused by the API once the edge has reported it", async () => {
    const answer = await installation.api<{ errors: { pointer: string; code: string }[] }>(
      "PUT",
      "/teams/shop/routes/loop",
      { spec: { pool: "public", hostnames: ["loop.shop.test"], backends: [{ address: `127.0.0.1:${edge.port}` }] } },
    );
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0]).toMatchObject({ pointer: "/spec/backends/0/address", code: "address_reserved" });
  });
});
