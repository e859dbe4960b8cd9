// What the agent's engine does when one of its threads dies, whatever it died of: the connections of that thread are lost and
// counted as such, everything that they held is given back, and nobody else notices.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readlink } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { LimitMode } from "@helloway/proto/table";
import type { ListenerAddress, RouteCounters } from "@helloway/edge/relay/relay";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../harness/peer.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startSayingBackend } from "../harness/saying-backend.ts";
import { routeUid, settingsObject } from "../harness/table-objects.ts";
import { startTcpBackend, type TcpBackend } from "../harness/tcp-backend.ts";
import { type RelayProcess, type RelayProcessOptions, startRelayProcess } from "./node-relay-process.ts";
import { alertBytes, expectBalanced, expectRefusal, helloFor, routeTo } from "./suite/fixture.ts";

const held = "held.example.test";
const other = "other.example.test";
const HELD_MAX = 40;
const SILENT = 20;

interface Edge {
  relay: RelayProcess;
  echoing: TcpBackend;
  saying: TcpBackend;
}

/** Serves a route of at most HELD_MAX connections, whose backend says everything back, and another without a limit. */
async function startEdge(options: RelayProcessOptions): Promise<Edge> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const saying = stack.use(await startSayingBackend("in"));
  const echoing = stack.use(
    await startTcpBackend({
      onSocket(socket) {
        socket.on("error", () => socket.destroy());
        socket.pipe(socket);
      },
    }),
  );
  const relay = stack.use(await startRelayProcess(options));
  const limits = { connections: HELD_MAX, connectionsPerSource: HELD_MAX, mode: LimitMode.ENFORCE };
  const objects = [settingsObject(), routeTo(held, echoing, { limits }), routeTo(other, saying)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  return { relay, saying, echoing };
}

async function hello({ relay }: Edge, name: string): Promise<Peer> {
  const client = await connectRaw(relay.listener);
  client.send(helloFor(name));
  return client;
}

/** What comes back first: the hello, "in", or an alert. */
async function answer(client: Peer): Promise<Buffer> {
  await Promise.race([client.bytes(1).catch(() => undefined), client.over()]);
  return client.received();
}

async function hold(edge: Edge, count: number): Promise<Peer[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => hello(edge, held)));
  for (const client of clients) expect((await answer(client))[0]).toBe(0x16);
  return clients;
}

async function echoes(client: Peer): Promise<void> {
  const before = client.receivedBytes;
  client.send("still there?");
  await client.bytes(before + 12);
}

async function route({ relay }: Edge, name: string): Promise<RouteCounters | undefined> {
  const counters = await relay.ask("counters", null);
  expectBalanced(counters);
  return counters.routes.get(name === "-" ? name : routeUid(name));
}

async function undecided({ relay }: Edge): Promise<number> {
  return (await relay.ask("counters", null)).undecided;
}

async function replaced({ relay }: Edge): Promise<number> {
  const logged = await relay.ask("logged", null);
  return logged.filter(({ message }) => message.startsWith("a worker has taken the place")).length;
}

async function visit(edge: Edge): Promise<void> {
  const client = await hello(edge, other);
  expect((await answer(client)).toString()).toBe("in");
  client.end();
}

test("loses what a dead worker had, counts it as lost, gives back what it held, and replaces the worker", async () => {
  const edge = await startEdge({ workers: 4 });
  const { relay } = edge;
  const holding = await hold(edge, HELD_MAX);
  const silent = await Promise.all(Array.from({ length: SILENT }, () => connectRaw(relay.listener)));
  await expect.poll(() => undecided(edge)).toBe(SILENT);
  await expectRefusal(await hello(edge, held), alerts.internalError);
  await expect.poll(async () => (await route(edge, held))?.closed).toEqual({ limited: 1 });

  await relay.ask("kill", 1);
  await expect.poll(async () => (await route(edge, held))?.closed.worker_lost ?? 0).toBeGreaterThan(0);
  const { closed, backends } = (await route(edge, held))!;
  const lost = closed.worker_lost!;
  const lostSilent = (await route(edge, "-"))?.closed.worker_lost ?? 0;
  expect(closed).toEqual({ worker_lost: lost, limited: 1 });
  expect([...backends.values()]).toMatchObject([{ opened: HELD_MAX, closed: lost }]);
  expect(await undecided(edge)).toBe(SILENT - lostSilent);
  // Exactly those are gone for their clients too, and the others notice nothing.
  await expect.poll(() => holding.filter(({ ended }) => ended !== null).length).toBe(lost);
  await expect.poll(() => silent.filter(({ ended }) => ended !== null).length).toBe(lostSilent);
  const staying = holding.filter(({ ended }) => ended === null);
  await Promise.all(staying.map(echoes));

  // What was theirs of the limits is free, and no more than that.
  staying.push(...(await hold(edge, lost)));
  await expectRefusal(await hello(edge, held), alerts.internalError);

  await expect.poll(() => replaced(edge)).toBe(1);
  await Promise.all(Array.from({ length: 100 }, () => visit(edge)));
  await Promise.all(staying.map(echoes));
  expect((await relay.ask("logged", null)).filter(({ level }) => level === "error").length).toBe(1);
  for (const client of [...staying, ...silent]) client.end();
  await expect
    .poll(async () => (await route(edge, held))?.closed)
    .toEqual({ worker_lost: lost, limited: 2, client_closed: HELD_MAX });
  await expect.poll(() => undecided(edge)).toBe(0);
});

test("gives a worker that replaces another one the table of now, though it changed meanwhile", async () => {
  const edge = await startEdge({ workers: 2 });
  const { relay } = edge;
  await relay.ask("kill", 0);
  const removals = [{ kind: "route" as const, id: routeUid(other) }];
  const added = routeTo("added.example.test", edge.saying);
  expect(await relay.ask("apply", { snapshot: false, objects: [added], removals })).toEqual([]);
  await expect.poll(() => replaced(edge)).toBe(1);
  // The worker that had stayed would hide what the new one does.
  await relay.ask("kill", 1);
  for (let i = 0; i < 20; i++) {
    expect((await answer(await hello(edge, "added.example.test"))).toString()).toBe("in");
    expect(await answer(await hello(edge, other))).toEqual(alertBytes(alerts.unrecognizedName));
  }
});

test("keeps serving the last good version of a route that refuses an edit, though all workers died while the edit came", async () => {
  const edge = await startEdge({ workers: 2 });
  const { relay } = edge;
  const edit = routeTo(other, edge.saying, { backends: [{ host: "10.9.8.7", port: 443 }] });
  const dying = [0, 1].map((nth) => relay.ask("kill", nth));
  await Promise.all(dying);
  const refused = relay.ask("apply", { snapshot: false, objects: [edit], removals: [] });
  // One that comes while it waits does not pass it by.
  const removed = relay.ask("apply", {
    snapshot: false,
    objects: [],
    removals: [{ kind: "route", id: routeUid(held) }],
  });
  expect(await refused).toEqual(["backend_not_allowed"]);
  expect(await removed).toEqual(["backend_not_allowed"]);
  await expect.poll(() => replaced(edge)).toBe(2);
  await Promise.all(Array.from({ length: 20 }, () => visit(edge)));
  // Workers that begin when it is refused already come to the same.
  await Promise.all([2, 3].map((nth) => relay.ask("kill", nth)));
  await expect.poll(() => replaced(edge)).toBe(4);
  await Promise.all(Array.from({ length: 20 }, () => visit(edge)));
});

test("tells what an update made of the table, not what was before, when the worker that was to tell dies of it", async () => {
  const edge = await startEdge({ workers: 2 });
  const { relay } = edge;
  const edit = routeTo(other, edge.saying, { backends: [{ host: "10.9.8.7", port: 443 }] });
  // The other worker still reads them when it is asked instead.
  const many = Array.from({ length: 40_000 }, (_, i) => routeTo(`n${i}.example.test`, edge.saying));
  const told = relay.ask("apply", { snapshot: false, objects: [...many, edit], removals: [] });
  await relay.ask("kill", 0);
  expect(await told).toEqual(["backend_not_allowed"]);
});

test("serves again after all its workers have died at once, more than once", async () => {
  const edge = await startEdge({ workers: 2 });
  for (let round = 0; round < 2; round++) {
    const holding = await hold(edge, HELD_MAX);
    await Promise.all([2 * round, 2 * round + 1].map((nth) => edge.relay.ask("kill", nth)));
    for (const client of holding) await client.over();
    await expect.poll(async () => (await route(edge, held))?.closed).toEqual({ worker_lost: (round + 1) * HELD_MAX });
    await expect.poll(() => replaced(edge)).toBe(2 * (round + 1));
  }
  await Promise.all((await hold(edge, HELD_MAX)).map(echoes));
});

test("has counts that add up at every moment while workers die under load", async () => {
  const edge = await startEdge({ workers: 4 });
  const load = new AbortController();
  let served = 0;
  const come = async (): Promise<void> => {
    while (!load.signal.aborted) {
      // A worker that dies takes its queue with it: some are reset before anybody has accepted them.
      const client = await hello(edge, other).catch(() => null);
      if (client === null) continue;
      const said = await answer(client);
      client.end();
      if (said.length === 0) continue;
      expect(said.toString()).toBe("in");
      served++;
    }
  };
  const clients = Array.from({ length: 20 }, come);
  for (let nth = 0; nth < 6; nth++) {
    const before = served;
    await expect
      .poll(
        async () => {
          await route(edge, other);
          return served;
        },
        { interval: 1 },
      )
      .toBeGreaterThan(before + 100);
    await edge.relay.ask("kill", nth);
  }
  load.abort();
  await Promise.all(clients);
  await expect
    .poll(async () => {
      const { opened, closed } = (await route(edge, other))!;
      return opened - Object.values(closed).reduce((sum, count) => sum + count, 0);
    })
    .toBe(0);
  const { opened, closed } = (await route(edge, other))!;
  expect(opened).toBeGreaterThanOrEqual(served);
  expect(Object.keys(closed).every((reason) => ["backend_closed", "worker_lost"].includes(reason))).toBe(true);
});

async function listen(port: number, host = "127.0.0.1"): Promise<Server> {
  const server = createServer();
  server.listen({ host, port, reusePort: true, ipv6Only: true });
  await once(server, "listening");
  return server;
}

test("accepts from sockets that it was passed; when a worker dies with one it has failed, and can still be drained", async () => {
  const first = await listen(0);
  const address = first.address() as { address: string; port: number };
  const passed = [first, await listen(address.port)];
  const edge = await startEdge({ workers: 2, passed });
  const { relay } = edge;
  // Node's servers accept: with its own copies open this process would take clients away.
  for (const server of passed) server.close();
  expect(relay.listener).toEqual({ address: "127.0.0.1", port: address.port });
  const holding = await hold(edge, HELD_MAX);
  await Promise.all(Array.from({ length: 20 }, () => visit(edge)));
  expect(await relay.ask("failed", null)).toBeNull();

  await relay.ask("kill", 0);
  await expect.poll(() => relay.ask("failed", null)).toContain("supervisor");
  const lost = (await route(edge, held))!.closed.worker_lost!;
  expect(lost).toBeGreaterThan(0);
  await expect.poll(() => holding.filter(({ ended }) => ended !== null).length).toBe(lost);
  await Promise.all(holding.filter(({ ended }) => ended === null).map(echoes));
  await relay.ask("drain", { timeoutMs: 100 });
  expect((await route(edge, held))?.closed).toEqual({ worker_lost: lost, drained: HELD_MAX - lost });
  expect(await replaced(edge)).toBe(0);
  await relay.ask("close", null);
});

test("accepts from every socket that it was passed, also from more than it has workers", async () => {
  const passed: Server[] = [await listen(0)];
  const { port } = passed[0]!.address() as { port: number };
  while (passed.length < 3) passed.push(await listen(port));
  const edge = await startEdge({ workers: 2, passed });
  for (const server of passed) server.close();
  await Promise.all(Array.from({ length: 60 }, () => visit(edge)));
  await edge.relay.ask("close", null);
});

test.each([1, 3])(
  "accepts from sockets of both families that were passed under one name: %i worker(s)",
  async (workers) => {
    const first = await listen(0);
    const { port } = first.address() as { port: number };
    const passed = [first, await listen(port, "::1")];
    const edge = await startEdge({ workers, passed });
    for (const server of passed) server.close();
    const { listeners } = edge.relay;
    expect(listeners).toEqual(["127.0.0.1", "::1"].map((address) => ({ address, port })));
    for (const { address } of listeners) {
      for (let i = 0; i < 10; i++) {
        const client = await connectRaw({ address, port });
        client.send(helloFor(other));
        expect((await answer(client)).toString()).toBe("in");
        client.end();
      }
    }
    await edge.relay.ask("close", null);
  },
);

test("leaves passed sockets to whoever else holds them when it drains, and refuses nobody there", async () => {
  const server = await listen(0);
  server.on("connection", (socket) => socket.end("successor"));
  const { port } = server.address() as { port: number };
  const passed = [server, await listen(port)];
  passed[1]!.on("connection", (socket) => socket.end("successor"));
  const edge = await startEdge({ workers: 1, passed });
  const { relay } = edge;
  await relay.ask("drain", { timeoutMs: 0 });
  for (let i = 0; i < 20; i++) {
    const client = await connectRaw(relay.listener);
    await client.over();
    expect(client.received().toString()).toBe("successor");
    client.end();
  }
  expect((await route(edge, "-"))?.opened ?? 0).toBe(0);
  // A worker that ends now ends without a socket of theirs: another takes its place, and opens none either.
  await relay.ask("kill", 0);
  await expect.poll(() => replaced(edge)).toBe(1);
  expect(await relay.ask("failed", null)).toBeNull();
  await relay.ask("resume", null);
  expect(await relay.ask("logged", null)).toContainEqual({
    level: "warn",
    message: expect.stringContaining("only a new process accepts there again"),
  });
  for (const each of passed) each.close();
  await relay.ask("close", null);
});

/** The first descriptor that is passed to a process, after stdin, stdout, stderr and IPC. */
const PASSED_FIRST = 4;

interface EarlyEnd {
  child: ChildProcess;
  /** What it says next. */
  said(): Promise<{ listeners?: ListenerAddress[] | null; replaced?: true; failed?: string }>;
  /** Its descriptors that are the sockets which were passed, as far as they are open. */
  open(): Promise<number[]>;
}

/** An engine that is drained or closed while it begins to listen (node-relay-early.fixture.ts), with listening sockets of this process. */
async function startEarlyEnd(meanwhile: string, own: boolean, passed: readonly Server[]): Promise<EarlyEnd> {
  const descriptors = passed.map((server) => (server as Server & { _handle: { fd: number } })._handle.fd);
  const sockets = await Promise.all(descriptors.map((each) => readlink(`/proc/self/fd/${each}`)));
  const fixture = fileURLToPath(new URL("./node-relay-early.fixture.ts", import.meta.url));
  const args = [fixture, meanwhile, own ? "own" : "", ...passed.map((_, i) => String(PASSED_FIRST + i))];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit", "ipc", ...descriptors] });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return {
    child,
    async said() {
      const [what] = await once(child, "message");
      return what;
    },
    async open() {
      const at = sockets.map((socket, i) => ({ socket, descriptor: PASSED_FIRST + i }));
      const links = at.map(async ({ socket, descriptor }) =>
        (await readlink(`/proc/${child.pid}/fd/${descriptor}`).catch(() => null)) === socket ? [descriptor] : [],
      );
      return (await Promise.all(links)).flat();
    },
  };
}

/** Two sockets of one port, on which this process answers. */
async function successorSockets(): Promise<Server[]> {
  const first = await listen(0);
  const passed = [first, await listen((first.address() as { port: number }).port)];
  for (const server of passed) {
    server.on("connection", (socket) => socket.end("successor"));
    onTestFinished(() => void server.close());
  }
  return passed;
}

test.each([
  ["drain", false],
  ["drain", true],
  ["drain and resume", true],
  ["close", false],
  ["close", true],
])(
  "leaves passed sockets to others also when it is told to %s while it begins to listen (after a socket of its own: %s)",
  async (meanwhile, own) => {
    const passed = await successorSockets();
    const edge = await startEarlyEnd(meanwhile, own, passed);
    const { listeners } = await edge.said();
    const { port } = passed[0]!.address() as { port: number };
    if (meanwhile === "close") expect(listeners).toBeNull();
    else expect(listeners).toContainEqual({ address: "127.0.0.1", port });
    expect(await edge.open()).toEqual([]);
    for (let i = 0; i < 20; i++) {
      const client = await connectRaw({ address: "127.0.0.1", port });
      await client.over();
      expect(client.received().toString()).toBe("successor");
      client.end();
    }
  },
);

test("replaces a worker that dies after a drain during its start, and opens nothing that was passed", async () => {
  const edge = await startEarlyEnd("drain", true, await successorSockets());
  await edge.said();
  edge.child.send(0);
  expect(await edge.said()).toEqual({ replaced: true });
  expect(await edge.open()).toEqual([]);
});
