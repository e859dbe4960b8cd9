import { once } from "node:events";
import { type TLSSocket, connect } from "node:tls";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type CountingBackend, startCountingBackend } from "../harness/counting-backend.ts";
import { type Edge, type Installation, startInstallation } from "../harness/installation.ts";

interface Cut {
  connections: number;
  edges: { edge: string; state: string; connections?: number; error?: string }[];
}
interface Stats {
  totals: { opened: number; active: number; closed: number; reasons: Record<string, number> };
}

let installation: Installation;
let edges: Edge[];
let backend: CountingBackend;

beforeAll(async () => {
  installation = await startInstallation();
  backend = await startCountingBackend(["one.shop.test", "two.shop.test"], "shop");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  edges = [await installation.addEdge("public", "edge-1"), await installation.addEdge("public", "edge-2")];
  for (const name of ["one", "two"]) {
    await installation.api("PUT", `/teams/shop/routes/${name}`, {
      spec: { pool: "public", hostnames: [`${name}.shop.test`], backends: [{ address: backend.address }] },
    });
    await vi.waitFor(async () => expect((await route(name)).status).toMatchObject(everywhere), { timeout: 20_000 });
  }
});
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

/** Live at both edges, and not only at the one that connected first. */
const everywhere = { state: "live", edges: [{ accepted: true }, { accepted: true }] };
const route = async (name: string) =>
  (await installation.api<{ status: object }>("GET", `/teams/shop/routes/${name}`)).body;
const cut = async (name: string) => await installation.api<Cut>("POST", `/teams/shop/routes/${name}/cut`);
const totals = async (name: string) => (await installation.api<Stats>("GET", `/stats/routes/shop/${name}`)).body.totals;

/** An established connection: the backend has greeted through it. */
async function establish(edge: Edge | undefined, servername: string): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port: edge?.port ?? 0, servername, ca: backend.cert });
  socket.on("error", () => undefined);
  await once(socket, "data");
  return socket;
}

async function echo(socket: TLSSocket, text: string): Promise<string> {
  const answered = once(socket, "data");
  socket.write(text);
  const [bytes] = (await answered) as [Buffer];
  return bytes.toString();
}

test("the established connections of one route end at every edge, others go on, and new ones are served", async () => {
  const ones = await Promise.all(
    [edges[0], edges[0], edges[0], edges[1], edges[1]].map((edge) => establish(edge, "one.shop.test")),
  );
  const twos = await Promise.all(edges.map((edge) => establish(edge, "two.shop.test")));
  const ended = Promise.all(ones.map((socket) => once(socket, "close")));

  expect(await cut("one")).toMatchObject({
    status: 200,
    body: {
      connections: 5,
      edges: [
        { edge: "edge-1", state: "done", connections: 3 },
        { edge: "edge-2", state: "done", connections: 2 },
      ],
    },
  });
  await ended;
  for (const socket of twos) expect(await echo(socket, "still here")).toBe("still here");
  await expect
    .poll(() => totals("one"), { timeout: 20_000 })
    .toMatchObject({ opened: 5, closed: 5, active: 0, reasons: { cut: 5 } });
  expect((await totals("two")).reasons).toEqual({});

  const again = await establish(edges[0], "one.shop.test");
  expect(await echo(again, "anew")).toBe("anew");
  expect((await cut("one")).body.connections).toBe(1);
  for (const socket of twos) socket.destroy();
});

test("an edge that is away is told as unreachable, and the others are cut all the same", async () => {
  const one = await establish(edges[0], "one.shop.test");
  const ended = once(one, "close");
  await edges[1]?.process.kill("SIGTERM");
  await expect
    .poll(async () => (await cut("two")).body.edges, { timeout: 20_000 })
    .toEqual([
      { edge: "edge-1", state: "done", connections: 0 },
      { edge: "edge-2", state: "unreachable" },
    ]);
  expect((await cut("one")).body.connections).toBe(1);
  await ended;
});
