// What the agent's engine does when its process has no descriptors left, for connections of its own or at all: nothing ends that was
// going on, whom it cannot serve is refused, or ended, or waits, and when clients leave it serves again. Its counts add up all the time.
import { expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../harness/peer.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { settingsObject } from "../harness/table-objects.ts";
import { startTcpBackend, type TcpBackend } from "../harness/tcp-backend.ts";
import { startRelayProcess, type RelayProcess, type Told } from "./node-relay-process.ts";
import { alertBytes, expectBalanced, helloFor, routeTo } from "./suite/fixture.ts";

const DESCRIPTORS = 256;
const name = "app.example.test";

interface Edge extends AsyncDisposable {
  relay: RelayProcess;
  backend: TcpBackend;
}

/** An engine with few descriptors and one route, whose backend answers the hello with a word and says back what comes after it. */
async function startEdge(workers: number, listeners = 1): Promise<Edge> {
  const stack = new AsyncDisposableStack();
  const backend = stack.use(
    await startTcpBackend({
      onSocket(socket) {
        socket.on("error", () => socket.destroy());
        socket.once("data", () => {
          socket.write("x");
          socket.pipe(socket);
        });
      },
    }),
  );
  const relay = stack.use(
    await startRelayProcess({
      workers,
      descriptors: DESCRIPTORS,
      listen: Array.from({ length: listeners }, () => ({ address: "127.0.0.1", port: 0 })),
    }),
  );
  const objects = [settingsObject(), routeTo(name, backend)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  return { relay, backend, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function hello({ relay }: Edge): Promise<Peer> {
  const client = await connectRaw(relay.listener);
  client.send(helloFor(name));
  return client;
}

type Met = "served" | "refused" | "ended";

/** Settles when it was served or ended; a client that waits settles later. */
async function met(client: Peer): Promise<Met> {
  await Promise.race([client.bytes(1).catch(() => undefined), client.over()]);
  const bytes = client.received();
  if (bytes.equals(alertBytes(alerts.internalError))) return "refused";
  if (bytes[0] === "x".charCodeAt(0)) return "served";
  expect(bytes.length).toBe(0);
  return "ended";
}

/** Says something and hears it back. */
async function echoes(client: Peer): Promise<void> {
  const before = client.receivedBytes;
  client.send("are you there?");
  await client.bytes(before + 14);
}

interface Sums {
  accepted: number;
  opened: number;
  closed: number;
  active: number;
  undecided: number;
  records: number;
}

async function sums({ relay }: Edge): Promise<Sums> {
  const counters = await relay.ask("counters", null);
  expectBalanced(counters);
  const { records } = await relay.ask("ended", null);
  let opened = 0;
  let closed = 0;
  for (const route of counters.routes.values()) {
    opened += route.opened;
    for (const count of Object.values(route.closed)) closed += count;
  }
  const { accepted, undecided } = counters;
  return { accepted, opened, closed, active: opened - closed, undecided, records };
}

async function reasons({ relay }: Edge): Promise<Told["ended"]["reasons"]> {
  return (await relay.ask("ended", null)).reasons;
}

/** Clients that have sent a hello, more of them than there are descriptors, and what each has met so far. */
async function crowd(edge: Edge): Promise<{ clients: Peer[]; met: Record<Met, number> }> {
  const clients: Peer[] = [];
  const counts: Record<Met, number> = { served: 0, refused: 0, ended: 0 };
  for (let i = 0; i < DESCRIPTORS; i++) {
    const client = await hello(edge);
    clients.push(client);
    void met(client).then((one) => counts[one]++);
    if (i % 16 === 0) expect((await sums(edge)).active).toBeLessThan(DESCRIPTORS);
  }
  return { clients, met: counts };
}

test.each([1, 4])(
  "goes on while clients hold all its descriptors, and serves again when they leave: %i worker(s)",
  async (workers) => {
    await using edge = await startEdge(workers);
    const established = await hello(edge);
    expect(await met(established)).toBe("served");
    let left = 0;
    for (let round = 0; round < 3; round++) {
      const { clients, met: counts } = await crowd(edge);
      // A forwarded connection takes two, and the process a few.
      await expect.poll(() => counts.served).toBeGreaterThan(DESCRIPTORS / 3);
      expect(counts.served).toBeLessThan(DESCRIPTORS / 2);
      // Everybody else was told so.
      await expect.poll(() => counts.served + counts.refused + counts.ended).toBe(DESCRIPTORS);
      await echoes(established);
      for (const client of clients) client.reset();
      await expect.poll(async () => (await sums(edge)).active).toBe(1);
      await echoes(established);
      // Nobody was lost: each has the record of its one end. Who still waited was served as others left.
      const { accepted, closed, undecided, records } = await sums(edge);
      expect({ undecided, records, closed }).toEqual({ undecided: 0, records: accepted - 1, closed: accepted - 1 });
      left += counts.served;
      const { client_reset = 0, client_gone = 0, overloaded = 0, ...others } = await reasons(edge);
      expect(client_reset + client_gone + overloaded).toBe(records);
      expect(client_reset).toBeGreaterThanOrEqual(left);
      expect(others).toEqual({});
    }
    const again = await hello(edge);
    expect(await met(again)).toBe("served");
  },
);

test("refuses whom it has no descriptor to dial for as overloaded, and blames no backend", async () => {
  await using edge = await startEdge(1);
  const established = await Promise.all(Array.from({ length: 60 }, () => hello(edge)));
  for (const client of established) expect(await met(client)).toBe("served");
  const waiting = await Promise.all(Array.from({ length: 80 }, () => connectRaw(edge.relay.listener)));
  await expect.poll(async () => (await sums(edge)).undecided).toBe(waiting.length);
  for (const client of waiting) client.send(helloFor(name));
  const outcomes = await Promise.all(waiting.map(met));
  const refused = outcomes.filter((one) => one === "refused").length;
  const served = outcomes.filter((one) => one === "served").length;
  expect(refused).toBeGreaterThan(0);
  expect(served + refused).toBe(waiting.length);
  for (const client of waiting) client.end();
  await expect.poll(() => reasons(edge)).toEqual({ overloaded: refused, client_closed: served });
  const backend = [...(await edge.relay.ask("counters", null)).routes.values()].flatMap((route) => [
    ...route.backends.values(),
  ]);
  expect(backend).toMatchObject([{ attempts: 60 + served, failures: 0, opened: 60 + served, closed: served }]);
  await Promise.all(established.map(echoes));
});

test("goes on when others in its process take the descriptors that it counted on, and serves again when they are free", async () => {
  await using edge = await startEdge(1);
  const established = await hello(edge);
  expect(await met(established)).toBe("served");
  await edge.relay.ask("occupy", DESCRIPTORS / 2);
  const { clients, met: counts } = await crowd(edge);
  await expect.poll(() => counts.served).toBeGreaterThan(16);
  expect(counts.served).toBeLessThan(DESCRIPTORS / 4);
  await expect.poll(() => counts.refused + counts.ended).toBeGreaterThan(0);
  await echoes(established);
  for (const client of clients) client.reset();
  await edge.relay.ask("release", null);
  await expect.poll(async () => (await sums(edge)).active).toBe(1);
  await echoes(established);
  expect(await met(await hello(edge))).toBe("served");
});

test("leaves no more than its budget to clients who say nothing, and serves those who speak", async () => {
  await using edge = await startEdge(2);
  const silent: Peer[] = [];
  // The worker that holds whoever has to go may be another one, and hears of it a moment later.
  const isWithin = async (): Promise<boolean> => (await sums(edge)).undecided < DESCRIPTORS / 2 - 16;
  for (let i = 0; i < 3 * DESCRIPTORS; i++) {
    silent.push(await connectRaw(edge.relay.listener));
    if (i % 32 !== 0) continue;
    await expect.poll(isWithin).toBe(true);
    const client = await hello(edge);
    expect(await met(client)).toBe("served");
    client.end();
  }
  const visits = silent.length / 32;
  await expect.poll(async () => (await sums(edge)).accepted).toBe(silent.length + visits);
  await expect.poll(isWithin).toBe(true);
  // Each of them was accepted; those who had to make room were told so.
  const { undecided } = await sums(edge);
  expect(undecided).toBeGreaterThan(DESCRIPTORS / 4);
  await expect.poll(() => reasons(edge)).toEqual({ overloaded: silent.length - undecided, client_closed: visits });
  for (const client of silent) client.reset();
  await expect.poll(async () => (await sums(edge)).undecided).toBe(0);
  await expect.poll(() => reasons(edge)).toMatchObject({ client_gone: undecided });
  expect(await met(await hello(edge))).toBe("served");
});

test("takes the places that it needs from the oldest of whoever has most of them, and from nobody else", async () => {
  await using edge = await startEdge(1);
  const silent = async (source: string, count: number): Promise<Peer[]> => {
    const clients: Peer[] = [];
    while (clients.length < count) clients.push(await connectRaw(edge.relay.listener, source));
    return clients;
  };
  const many = await silent("127.0.1.1", 60);
  const few = await silent("127.0.1.2", 20);
  await expect.poll(async () => (await sums(edge)).undecided).toBe(80);
  const newcomers = await silent("127.0.1.3", 40);
  await expect.poll(async () => (await sums(edge)).accepted).toBe(120);
  const { undecided } = await sums(edge);
  const gone = 120 - undecided;
  expect(gone).toBeGreaterThan(0);
  expect(gone).toBeLessThan(many.length - newcomers.length);
  await expect.poll(() => many.filter(({ ended }) => ended !== null).length).toBe(gone);
  expect(many.slice(0, gone).map(({ ended }) => ended)).toEqual(Array<string>(gone).fill("fin"));
  for (const client of many.slice(0, gone)) expect(await met(client)).toBe("refused");
  for (const client of [...few, ...newcomers]) expect(client.ended).toBe(null);
  for (const client of [...many, ...few, ...newcomers]) client.socket.destroy();
});

test("refuses whom it has no room for with an alert that what they go on sending takes from nobody, and counts each, also when its listening sockets take many descriptors", async () => {
  await using edge = await startEdge(4, 16);
  const clients: Peer[] = [];
  const outcomes: Record<Met, number> = { served: 0, refused: 0, ended: 0 };
  const more = Buffer.alloc(64 * 1024, "more than the hello");
  // One after the other, and whoever was not served leaves: there is never more than one too many.
  for (let i = 0; i < DESCRIPTORS; i++) {
    const client = await connectRaw(edge.relay.listener);
    client.send(Buffer.concat([helloFor(name), more]));
    const outcome = await met(client);
    outcomes[outcome]++;
    if (outcome === "served") clients.push(client);
    else {
      expect(await client.over()).toBe("fin");
      client.end();
    }
  }
  expect(outcomes.refused).toBeGreaterThan(0);
  expect((await sums(edge)).accepted).toBe(DESCRIPTORS);
  for (const client of clients) client.reset();
});
