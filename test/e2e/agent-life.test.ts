import { once } from "node:events";
import { mkdtempDisposable, readFile, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type ControlPeer,
  type PeerSession,
  createAuthority,
  startPeer,
} from "@helloway/edge/control/test/control-peer";
import { version } from "@helloway/edge/control/test/tables";
import { kindNumber } from "@helloway/edge/control/object-kind";
import { digestAfter } from "@helloway/edge/control/table-digest";
import { readRecords } from "@helloway/edge/control/table-store/record";
import { type ReportRequest, ReportRequestSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { type CountingBackend, startCountingBackend } from "../harness/counting-backend.ts";
import { type RunningProcess, startProcess } from "../harness/processes.ts";
import { routeObject, settingsObject } from "../harness/table-objects.ts";
import { visit } from "../harness/tls-visit.ts";

const authority = await createAuthority();

interface AgentReady {
  listeners: { address: string; port: number }[];
  admin: string;
}

interface Agent extends AsyncDisposable {
  process: RunningProcess;
  port: number;
  readyz(): Promise<{ status: number; reasons: string[] }>;
  table(): Promise<{ control: { connected: boolean }; table: { revision: number; hostnames: unknown[] } | null }>;
}

const environment = (directory: string): Record<string, string> => ({
  HELLOWAY_DATA_DIR: directory,
  HELLOWAY_EDGE_LISTEN: "127.0.0.1:0",
  HELLOWAY_EDGE_ADMIN: "127.0.0.1:0",
  HELLOWAY_EDGE_NAME: "edge-1",
  HELLOWAY_DRAIN_TIMEOUT: "0s",
});

const joining = (peer: ControlPeer): Record<string, string> => ({
  HELLOWAY_CONTROL_ADDRESS: `127.0.0.1:${peer.port}`,
  HELLOWAY_JOIN_TOKEN: peer.joinToken,
});

async function startAgent(directory: string, env: Record<string, string> = {}): Promise<Agent> {
  const process = startProcess("agent", { ...environment(directory), ...env });
  const { listeners, admin } = (await process.ready) as unknown as AgentReady;
  const get = (path: string): Promise<Response> => fetch(`http://${admin}${path}`);
  return {
    process,
    port: listeners[0]?.port ?? 0,
    async readyz() {
      const response = await get("/readyz");
      return { status: response.status, reasons: ((await response.json()) as { reasons: string[] }).reasons };
    },
    table: async () => (await (await get("/table")).json()) as Awaited<ReturnType<Agent["table"]>>,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

async function sessionOf(peer: ControlPeer): Promise<PeerSession> {
  await expect.poll(() => peer.sessions.length, { timeout: 30_000 }).toBeGreaterThan(0);
  return peer.sessions.at(-1)!;
}

async function serve(session: PeerSession, revision: number, backend: CountingBackend): Promise<void> {
  const [host = "", port = ""] = backend.address.split(":");
  const route = routeObject("app", { hostnames: ["app.shop.test"], backends: [{ host, port: Number(port) }] });
  const objects = [settingsObject(), route];
  session.update({
    to: version(revision),
    objects: objects.map((object) => ({ ...object, kind: kindNumber(object.kind) })),
    digest: await digestAfter(null, { objects, removals: [] }),
  });
  await expect.poll(() => session.acks.at(-1)?.disk?.savedRevision).toBe(BigInt(revision));
}

const sum = (reports: readonly ReportRequest[], of: (report: ReportRequest) => bigint): number =>
  Number(reports.reduce((all, report) => all + of(report), 0n));

test("an agent enrols, serves, tells what every connection did, ends cleanly, and starts again from its disk alone", async () => {
  await using directory = await scratch();
  await using backend = await startCountingBackend(["app.shop.test"], "app");
  const visiting = (agent: Agent): Promise<unknown> =>
    visit({ port: agent.port, servername: "app.shop.test", ca: backend.cert });
  {
    await using peer = await startPeer({ authority });
    await using agent = await startAgent(directory.path, joining(peer));
    expect(await agent.readyz()).toEqual({ status: 503, reasons: ["there is no table to serve yet"] });
    await serve(await sessionOf(peer), 1, backend);
    expect(await agent.readyz()).toEqual({ status: 200, reasons: [] });
    expect(await agent.table()).toMatchObject({
      control: { connected: true },
      table: {
        revision: 1,
        hostnames: [{ hostname: "app.shop.test", route: "team/app", backends: [backend.address] }],
      },
    });
    await visiting(agent);
    const { code } = await agent.process.kill("SIGTERM");
    expect(code).toBe(0);
    // The last report came before the end, and nothing is left to deliver.
    expect(sum(peer.reports, ({ accepted }) => accepted)).toBe(1);
    const line =
      agent.process
        .stderr()
        .split("\n")
        .find((text) => text.includes('"sni":"app.shop.test"')) ?? "{}";
    expect(Object.keys(JSON.parse(line) as object)).toEqual(expect.arrayContaining(accessLogFields));
  }
  // No control plane, no address, a token that is not even one: the identity is all it needs.
  await using agent = await startAgent(directory.path, { HELLOWAY_JOIN_TOKEN: "used up" });
  expect(await agent.readyz()).toEqual({ status: 200, reasons: [] });
  await visiting(agent);
  expect((await agent.table()).control.connected).toBe(false);
}, 60_000);

const accessLogFields =
  "ts edge conn listener src sport sni alpn tlsVersions route backend helloMs connectMs durationMs rx tx reason ech pq".split(
    " ",
  );

test("finds the control plane where it was last, and delivers what an agent that was killed had spooled", async () => {
  await using directory = await scratch();
  await using backend = await startCountingBackend(["app.shop.test"], "app");
  const peer = await startPeer({ authority });
  const { port } = peer;
  const killed = await startAgent(directory.path, joining(peer));
  await serve(await sessionOf(peer), 1, backend);
  await expect.poll(() => peer.reports.length).toBeGreaterThan(0);
  await peer[Symbol.asyncDispose]();
  await visit({ port: killed.port, servername: "app.shop.test", ca: backend.cert });
  await expect.poll(() => spooledCloses(directory.path)).toBe(1);
  await killed.process.kill("SIGKILL");
  await using again = await startPeer({ authority }, port);
  await using agent = await startAgent(directory.path);
  await expect.poll(() => sum(again.reports, ({ accepted }) => accepted), { timeout: 30_000 }).toBe(1);
  await expect.poll(() => new Set(again.reports.map(({ bootId }) => bootId)).size).toBe(2);
  expect(sum(again.reports, closes)).toBe(1);
  await expect.poll(() => agent.process.stderr()).toContain("an earlier run ended without its last report");
}, 90_000);

const closes = (report: ReportRequest): bigint =>
  report.routes.flatMap(({ closed }) => Object.values(closed)).reduce((all, count) => all + count, 0n);

/** Closed connections in the reports that wait on disk. */
async function spooledCloses(directory: string): Promise<number> {
  const spool = join(directory, "edge", "spool");
  const names = (await readdir(spool, { recursive: true })).filter((name) => /\/(closed|report)-\d+$/.test(name));
  const reports = await Promise.all(
    names.map(async (name) => {
      const { payloads } = readRecords(await readFile(join(spool, name)).catch(() => new Uint8Array()));
      return payloads.map((payload) => fromBinary(ReportRequestSchema, payload));
    }),
  );
  return sum(reports.flat(), closes);
}

test("says what is wrong, and what to do, when it cannot start", async () => {
  await using directory = await scratch();
  const problem = async (env: Record<string, string>): Promise<string> => {
    await using process = startProcess("agent", { ...environment(directory.path), ...env });
    expect(await process.exited).toMatchObject({ code: 1 });
    return process.stderr();
  };
  const nothing = await problem({});
  expect(nothing).toContain("HELLOWAY_JOIN_TOKEN is required: this edge has no identity");
  expect(nothing).toContain("HELLOWAY_CONTROL_ADDRESS is required");
  await using peer = await startPeer({ authority });
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as { port: number };
  const taken = `127.0.0.1:${port}`;
  expect(await problem({ ...joining(peer), HELLOWAY_EDGE_LISTEN: taken })).toContain(
    `${taken} (HELLOWAY_EDGE_LISTEN) is already in use`,
  );
  expect(await problem({ ...joining(peer), HELLOWAY_EDGE_ADMIN: taken })).toContain(
    `${taken} (HELLOWAY_EDGE_ADMIN) is already in use`,
  );
  holder.close();
  await using first = await startAgent(directory.path, joining(peer));
  expect(await problem(joining(peer))).toContain(String(first.process.pid));
}, 60_000);

async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtempDisposable(join(tmpdir(), "helloway-agent-"));
  return { path: directory.path, [Symbol.asyncDispose]: () => directory.remove() };
}
