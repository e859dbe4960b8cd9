// What the agent's engine needs of memory under much of everything, in a process of its own so that the figures are its own: it
// must not keep what slow readers do not take, and updates must leave nothing behind.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { TableObject, TableUpdate } from "@helloway/edge/relay/relay";
import { receiveHashed, sendHashed } from "../harness/hashed-stream.ts";
import type { Peer } from "../harness/peer.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startSayingBackend } from "../harness/saying-backend.ts";
import { barrierObject, routeUid, settingsObject } from "../harness/table-objects.ts";
import { startTcpBackend, type TcpBackend } from "../harness/tcp-backend.ts";
import { type RelayProcess, startRelayProcess } from "./node-relay-process.ts";
import { expectBalanced, helloFor, routeTo } from "./suite/fixture.ts";
import { largeHello } from "./suite/large-hello.ts";

const MIB = 1024 * 1024;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

/** Of what is pushed at slow readers. */
const PUSHED_GROWTH_MAX = 32 * MIB;
/** Of what updates leave behind. */
const UPDATED_GROWTH_MAX = 5 * MIB;

const visited = "app.example.test";

/** One client, from its hello to the backend's word and the end of both sides. */
async function visit({ listener }: RelayProcess): Promise<void> {
  const client = await connectRaw(listener);
  client.send(helloFor(visited));
  expect(await client.over()).toBe("fin");
  expect(client.received().toString()).toBe("in");
  client.end();
  await client.closed();
}

interface Pair {
  client: Socket;
  upstream: Socket;
}

interface Transfer {
  from: Socket;
  to: Socket;
  bytes: number;
}

/** The largest that the process was, until the signal. */
async function watchResident(relay: RelayProcess, signal: AbortSignal): Promise<number> {
  let max = 0;
  while (!signal.aborted) {
    max = Math.max(max, await relay.ask("resident", null));
    await pause(20);
  }
  return max;
}

/** Nothing moves any more: everything between is full. */
async function untilStuck(transfers: readonly Transfer[]): Promise<void> {
  const sent = (): number => transfers.reduce((sum, { from }) => sum + from.bytesWritten - from.writableLength, 0);
  let before = -1;
  const isStuck = (): boolean => {
    const now = sent();
    const isSame = now === before;
    before = now;
    return isSame;
  };
  await expect.poll(isStuck, { interval: 300 }).toBe(true);
}

test("keeps nothing of 1 GiB that is pushed at readers who do not read, and carries all of it once they do", async () => {
  const accepted: ((socket: Socket) => void)[] = [];
  await using pushing = await startTcpBackend({ onSocket: (socket) => accepted.shift()?.(socket) });
  await using saying = await startSayingBackend("in");
  await using relay = await startRelayProcess({ workers: 2 });
  const name = "pushed.example.test";
  const objects = [settingsObject(), routeTo(name, pushing), routeTo(visited, saying)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  const hello = helloFor(name);
  const open = async (): Promise<Pair> => {
    const forwarded = new Promise<Socket>((resolve) => accepted.push(resolve));
    const client = connect({ ...relay.listener, host: relay.listener.address, allowHalfOpen: true });
    client.write(hello);
    const upstream = await forwarded;
    expect(await once(upstream, "data")).toEqual([hello]);
    upstream.pause();
    return { client, upstream };
  };
  for (let i = 0; i < 50; i++) await visit(relay);
  const transfers: Transfer[] = [];
  // One GiB each way, and several smaller ones beside them.
  for (const bytes of [1_024 * MIB, 32 * MIB, 32 * MIB, 32 * MIB]) {
    const [down, up] = [await open(), await open()];
    transfers.push({ from: down.upstream, to: down.client, bytes }, { from: up.client, to: up.upstream, bytes });
  }
  const before = await relay.ask("resident", null);
  const watching = new AbortController();
  const largest = watchResident(relay, watching.signal);
  const sent = transfers.map(({ from, bytes }) => sendHashed(from, bytes));
  await untilStuck(transfers);
  const slowestMs = await slowestVisit(relay, 50);
  const stuck = await relay.ask("resident", null);
  // Slowly at first, and then as fast as it comes.
  const received = transfers.map(async ({ to, bytes }) => await receiveHashed(to, bytes, { slowBytes: 4 * MIB }));
  expect(await Promise.all(received)).toEqual(await Promise.all(sent));
  watching.abort();
  const grown = (await largest) - before;
  say(
    `2 x 1 GiB and 6 x 32 MiB pushed at readers who wait: ${mib(stuck - before)} more resident while nobody read, ` +
      `${mib(grown)} at most; the slowest of 50 other clients took ${slowestMs.toFixed(1)} ms`,
  );
  expect(grown).toBeLessThan(PUSHED_GROWTH_MAX);
  for (const { from, to } of transfers) {
    from.end();
    to.end();
  }
  await expect.poll(async () => (await relay.ask("ended", null)).records).toBe(100 + transfers.length);
  expectBalanced(await relay.ask("counters", null));
});

const BURSTS = 300;
/** Of each connection that was busy once. What all of them keep together, whatever their number, is in it. */
const IDLE_MAX = 64 * 1024;

test("keeps little of connections that were busy and are idle now", async () => {
  const accepted: Socket[] = [];
  await using backend = await startTcpBackend({
    onSocket(socket) {
      socket.on("error", () => socket.destroy());
      socket.resume();
      accepted.push(socket);
    },
  });
  await using relay = await startRelayProcess({ workers: 1 });
  const objects = [settingsObject(), routeTo(visited, backend)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  const clients: Peer[] = [];
  while (clients.length < BURSTS) {
    const client = await connectRaw(relay.listener);
    client.send(helloFor(visited));
    clients.push(client);
    // A source may have no more of them undecided at once than 256.
    if (clients.length % 20 === 0) await expect.poll(() => accepted.length).toBe(clients.length);
  }
  const before = await relay.ask("usedMemory", null);
  const burst = Buffer.alloc(256 * 1024);
  for (const client of clients) client.send(burst);
  for (const socket of accepted) socket.write(burst);
  for (const client of clients) await client.bytes(burst.length);
  const grown = async (): Promise<number> => ((await relay.ask("usedMemory", null)).live - before.live) / BURSTS;
  await expect.poll(grown, { interval: 500 }).toBeLessThan(IDLE_MAX);
});

const LARGE_HELLOS = 400;

test("keeps little of the largest hellos while backends have the connections", async () => {
  await using backend = await startTcpBackend({
    onSocket: (socket) => socket.on("error", () => socket.destroy()).resume(),
  });
  await using relay = await startRelayProcess({ workers: 1 });
  const objects = [settingsObject(), routeTo(visited, backend)];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  const before = await relay.ask("usedMemory", null);
  const opened = async () => (await relay.ask("counters", null)).routes.get(routeUid(visited))?.opened ?? 0;
  for (let sent = 1; sent <= LARGE_HELLOS; sent++) {
    (await connectRaw(relay.listener)).send(largeHello(visited));
    // Not more at once than a busy machine reads within the time for a hello, nor than a source may have undecided.
    if (sent % 20 === 0) await expect.poll(opened).toBe(sent);
  }
  const grown = async () => ((await relay.ask("usedMemory", null)).live - before.live) / LARGE_HELLOS;
  // A list of offers that is kept counts twice 32 KiB.
  await expect.poll(grown, { interval: 500 }).toBeLessThan(IDLE_MAX);
});

async function slowestVisit(relay: RelayProcess, count: number): Promise<number> {
  let slowestMs = 0;
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    await visit(relay);
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  }
  return slowestMs;
}

const WARM_UP = 300;
const UPDATES = 1_000;
/** Until a thousand of them grow the process by no more than they may; a leak grows it with every thousand. */
const THOUSANDS_MAX = 6;
const OTHER_ROUTES = 1_000;
const ECHOES = 50;
const CLIENTS = 20;
const echoed = "echo.example.test";

/** The update of this number, to a table that changes all the time and stays as large as it is. */
function updateOf(n: number, saying: TcpBackend, echoing: TcpBackend): TableUpdate {
  const other = (i: number): string => `other-${i % OTHER_ROUTES}.example.test`;
  const otherRoute = (i: number): TableObject => routeTo(other(i), saying, { timeouts: { idleMs: 60_000 + n } });
  const barrier = (i: number): TableObject => barrierObject(`barrier-${i % 2}.example.test`, true);
  const served = [
    routeTo(visited, saying, { timeouts: { connectMs: 10_000 + n } }),
    routeTo(echoed, echoing, { timeouts: { idleMs: 500_000 + n } }),
  ];
  if (n % 20 === 0) {
    const others = Array.from({ length: OTHER_ROUTES }, (_, i) => otherRoute(i));
    return { snapshot: true, objects: [settingsObject(), ...served, ...others], removals: [] };
  }
  const five = Array.from({ length: 5 }, (_, i) => 5 * n + i);
  return {
    snapshot: false,
    objects: [...served, ...five.map(otherRoute), barrier(n)],
    removals: [
      { kind: "barrier", id: barrier(n + 1).id },
      ...five.map((i) => ({ kind: "route" as const, id: routeUid(other(i + 5)) })),
    ],
  };
}

test("takes 1,000 updates under load without a failed or cut connection, and keeps nothing of them", async () => {
  await using saying = await startSayingBackend("in");
  await using echoing = await startTcpBackend({
    onSocket(socket) {
      socket.on("error", () => socket.destroy());
      socket.pipe(socket);
    },
  });
  await using relay = await startRelayProcess({ workers: 2 });
  const apply = async (n: number): Promise<void> => {
    expect(await relay.ask("apply", updateOf(n, saying, echoing))).toEqual([]);
  };
  const load = new AbortController();
  let visits = 0;
  let echoes = 0;
  const come = async (): Promise<void> => {
    for (; !load.signal.aborted; visits++) await visit(relay);
  };
  const stay = async (): Promise<void> => {
    const client = await connectRaw(relay.listener);
    const hello = helloFor(echoed);
    client.send(hello);
    let due = hello.length;
    await client.bytes(due);
    for (; !load.signal.aborted; echoes++) {
      client.send("still there?");
      due += 12;
      await client.arrived(due);
    }
    client.end();
    expect(await client.over()).toBe("fin");
  };
  await apply(0);
  const clients = [...Array.from({ length: CLIENTS }, come), ...Array.from({ length: ECHOES }, stay)];
  let n = 0;
  const update = async (times: number): Promise<void> => {
    for (const end = n + times; n < end;) await apply(++n);
  };
  await update(WARM_UP);
  // V8 keeps pages that it has once used, and needs two or three thousand updates until it has all that it wants.
  for (let thousand = 1, settled = false; !settled; thousand++) {
    const before = await relay.ask("usedMemory", null);
    const seen = { visits, echoes };
    await update(UPDATES);
    const after = await relay.ask("usedMemory", null);
    const grown = { live: after.live - before.live, resident: after.resident - before.resident };
    say(
      `${UPDATES} updates: ${visits - seen.visits} visits and ${echoes - seen.echoes} echoes meanwhile; ` +
        `${mib(grown.live)} more in use, ${mib(grown.resident)} more resident`,
    );
    expect(visits - seen.visits).toBeGreaterThan(CLIENTS);
    expect(grown.live).toBeLessThan(UPDATED_GROWTH_MAX);
    settled = grown.resident < UPDATED_GROWTH_MAX;
    if (!settled) expect(thousand).toBeLessThan(THOUSANDS_MAX);
  }
  load.abort();
  await Promise.all(clients);
  const closed = { backend_closed: visits, client_closed: ECHOES };
  await expect.poll(() => relay.ask("ended", null)).toEqual({ records: visits + ECHOES, reasons: closed });
  expectBalanced(await relay.ask("counters", null));
});
