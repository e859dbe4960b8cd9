// An agent on sockets that a supervisor has bound and keeps: what systemd does with socket units.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { createAuthority, startPeer } from "@helloway/edge/control/test/control-peer";
import { kindNumber } from "@helloway/edge/control/object-kind";
import { digestAfter } from "@helloway/edge/control/table-digest";
import { version } from "@helloway/edge/control/test/tables";
import { expect, onTestFinished, test } from "vitest";
import { connectRaw } from "../harness/raw-client.ts";
import type { Peer } from "../harness/peer.ts";
import { type RunningProcess, startProcess } from "../harness/processes.ts";
import { startSayingBackend } from "../harness/saying-backend.ts";
import { routeObject, settingsObject } from "../harness/table-objects.ts";
import { helloFor } from "../conformance/suite/fixture.ts";

const name = "app.shop.test";
const DRAIN_SECONDS = 3;
const authority = await createAuthority();

interface Supervised {
  agent: RunningProcess;
  port: number;
  /** A client that was greeted. */
  greeted(): Promise<Peer>;
}

async function listeningServer(): Promise<Server> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const descriptorOf = (server: Server): number => (server as Server & { _handle: { fd: number } })._handle.fd;

function environment(directory: string): Record<string, string> {
  return {
    HELLOWAY_DATA_DIR: directory,
    HELLOWAY_EDGE_LISTEN: "fd:tls",
    HELLOWAY_EDGE_ADMIN: "127.0.0.1:0",
    HELLOWAY_EDGE_NAME: "edge-1",
    HELLOWAY_WORKERS: "1",
    HELLOWAY_DRAIN_TIMEOUT: `${DRAIN_SECONDS}s`,
    LISTEN_FDS: "1",
    LISTEN_FDNAMES: "tls",
  };
}

async function startSupervised(): Promise<Supervised> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const directory = stack.use(await mkdtempDisposable(`${tmpdir()}/helloway-supervised-`));
  const backend = stack.use(await startSayingBackend("in", "stay"));
  const peer = stack.use(await startPeer({ authority }));
  const server = await listeningServer();
  const { port } = server.address() as AddressInfo;
  const env = {
    ...environment(directory.path),
    HELLOWAY_CONTROL_ADDRESS: `127.0.0.1:${peer.port}`,
    HELLOWAY_JOIN_TOKEN: peer.joinToken,
    NODE_OPTIONS: `--import ${new URL("./worker-killer.fixture.ts", import.meta.url).href}`,
  };
  const descriptor = descriptorOf(server);
  // The supervisor: it holds the socket and accepts nothing, which a server of this process would.
  const holder = spawn("sleep", ["600"], { stdio: ["ignore", "ignore", "ignore", descriptor] });
  stack.defer(() => void holder.kill("SIGKILL"));
  const agent = stack.use(startProcess("agent", env, { passed: [descriptor] }));
  server.close();
  await agent.ready;
  await expect.poll(() => peer.sessions.length, { timeout: 30_000 }).toBeGreaterThan(0);
  const objects = [
    settingsObject(),
    routeObject("app", { hostnames: [name], backends: [{ host: backend.host, port: backend.port }] }),
  ];
  peer.sessions.at(-1)!.update({
    to: version(1),
    objects: objects.map((object) => ({ ...object, kind: kindNumber(object.kind) })),
    digest: await digestAfter(null, { objects, removals: [] }),
  });
  await expect.poll(() => peer.sessions.at(-1)!.acks.length).toBeGreaterThan(0);
  const greeted = async (): Promise<Peer> => {
    const client = await connectRaw({ address: "127.0.0.1", port });
    client.send(helloFor(name));
    expect((await client.bytes(2)).toString()).toBe("in");
    return client;
  };
  return { agent, port, greeted };
}

test("serves on a passed socket, and a drain refuses nobody there: newcomers wait for whoever comes after it", async () => {
  const { agent, port, greeted } = await startSupervised();
  const client = await greeted();
  const ended = agent.kill("SIGTERM");
  await expect.poll(() => agent.stderr()).toContain("draining");
  const waiting = await connectRaw({ address: "127.0.0.1", port });
  waiting.send(helloFor(name));
  // Closed in the second half of the time, by a FIN, and meanwhile nobody has said anything to the newcomer.
  expect(await client.over()).toBe("fin");
  expect([waiting.receivedBytes, waiting.ended]).toEqual([0, null]);
  client.end();
  expect(await ended).toEqual({ code: 0, signal: null });
  waiting.socket.destroy();
});

test("ends after a drain, with an error that says why, when a worker dies and takes a passed socket with it", async () => {
  const { agent, greeted } = await startSupervised();
  const client = await greeted();
  process.kill(agent.pid, "SIGUSR2");
  await expect.poll(() => agent.stderr()).toContain("took a listening socket with it");
  expect((await agent.exited).code).toBe(1);
  expect(agent.stderr()).toContain("draining");
  expect(agent.stderr()).toContain("only a supervisor can make anew");
  await client.over().catch(() => undefined);
});

test("says which passed descriptor is no listening socket, and starts nothing", async () => {
  await using directory = await mkdtempDisposable(`${tmpdir()}/helloway-supervised-`);
  const agent = startProcess("agent", environment(directory.path));
  // Nothing was passed: its third descriptor is another one.
  expect(await agent.exited).toEqual({ code: 1, signal: null });
  expect(agent.stderr()).toContain("HELLOWAY_EDGE_LISTEN: fd:tls: descriptor 3 is no TCP socket that listens");
});

test("takes a socket that was opened in another network for what it is", async () => {
  const program = `
    import { notListening } from ${JSON.stringify(new URL("../../agents/edge/src/listening-descriptors.ts", import.meta.url).href)};
    process.stdout.write(JSON.stringify(notListening([3])));
  `;
  const server = await listeningServer();
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const command = ["--net", ...asRoot, process.execPath, "--input-type=module-typescript", "--eval", program];
  const { stdout, stderr } = spawnSync("unshare", command, { stdio: ["ignore", "pipe", "pipe", descriptorOf(server)] });
  server.close();
  expect([stdout.toString(), stderr.toString()]).toEqual(["[]", ""]);
});
