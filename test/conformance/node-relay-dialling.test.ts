// What the agent's engine keeps of clients while their backends are dialled, in a process of its own so that the figures are its own.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../harness/peer.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { startSilentListener } from "../harness/silent-listener.ts";
import { routeUid, settingsObject } from "../harness/table-objects.ts";
import { startTcpBackend } from "../harness/tcp-backend.ts";
import { startRelayProcess } from "./node-relay-process.ts";
import { alertBytes, expectBalanced, helloFor, routeTo } from "./suite/fixture.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const CLIENTS = 3_000;
const FROM_EACH_SOURCE = 20;
const source = (i: number): string => `127.1.2.${1 + Math.floor(i / FROM_EACH_SOURCE)}`;
/** Less than a refused client may go on sending. While its backend is dialled a client is read up to 64 KiB. */
const MUCH = randomBytes(192 * KIB);
const EARLY = randomBytes(48 * KIB);
const READ_BYTES_MIN = 64 * KIB;
/** Of the edge: all of it is its one worker's. */
const BUDGET = 64 * MIB;
/**
 * The budget, and what 2,000 connections cost beside it; usedMemory() counts buffers twice. Without a budget the clients' bytes
 * alone are more than 250 MiB, counted twice.
 */
const GROWTH_MAX = 160 * MIB;
/** Of what is left when all of them are gone. */
const LEFT_MAX = 16 * MIB;

const dialled = "dialled.example.test";
const served = "served.example.test";

test("keeps a bounded part of what thousands send while their backend is dialled, and serves everybody else", async () => {
  await using silent = await startSilentListener();
  const visitBytes = helloFor(served).length + EARLY.length;
  await using backend = await startTcpBackend({
    onConnection: (peer) => void peer.bytes(visitBytes).then(() => peer.end("in")),
  });
  await using relay = await startRelayProcess({ workers: 1 });
  const objects = [
    settingsObject(),
    routeTo(dialled, silent, { timeouts: { connectMs: 10_000 } }),
    routeTo(served, backend),
  ];
  expect(await relay.ask("apply", { snapshot: true, objects, removals: [] })).toEqual([]);
  const visit = async (): Promise<void> => {
    const client = await connectRaw(relay.listener);
    client.send(Buffer.concat([helloFor(served), EARLY]));
    expect(await client.over()).toBe("fin");
    expect(client.received().toString()).toBe("in");
    client.end();
    await client.closed();
  };
  for (let i = 0; i < 20; i++) await visit();
  const route = async () => (await relay.ask("counters", null)).routes.get(routeUid(dialled));
  const before = await relay.ask("usedMemory", null);

  const clients: Peer[] = [];
  while (clients.length < CLIENTS) {
    const client = await connectRaw(relay.listener, source(clients.length));
    client.send(helloFor(dialled));
    clients.push(client);
    void client.over().then(() => client.end());
  }
  await expect.poll(async () => (await route())?.opened).toBe(CLIENTS);
  for (const client of clients) client.send(MUCH);
  await expect.poll(async () => (await route())?.closed.overloaded).toBeGreaterThan(CLIENTS - BUDGET / READ_BYTES_MIN);
  for (let i = 0; i < 20; i++) await visit();
  const during = await relay.ask("usedMemory", null);
  const overloaded = (await route())?.closed.overloaded;
  process.stdout.write(
    `${CLIENTS} clients of a silent backend sent ${MUCH.length / KIB} KiB each: ${overloaded} are gone as overloaded, ` +
      `${((during.live - before.live) / MIB).toFixed(1)} MiB more in use, ` +
      `${((during.resident - before.resident) / MIB).toFixed(1)} MiB more resident\n`,
  );
  expect(during.live - before.live).toBeLessThan(GROWTH_MAX);

  const told = alertBytes(alerts.internalError).toString("hex");
  for (const client of clients) {
    await client.over();
    expect(client.received().toString("hex")).toBe(told);
  }
  await expect.poll(async () => (await relay.ask("ended", null)).records).toBe(CLIENTS + 40);
  const {
    overloaded: refused = 0,
    connect_timeout: timedOut = 0,
    ...others
  } = (await relay.ask("ended", null)).reasons;
  expect(others).toEqual({ backend_closed: 40 });
  expect(refused + timedOut).toBe(CLIENTS);
  expect(refused).toBeGreaterThan(0);
  expect(timedOut).toBeGreaterThan(0);
  expectBalanced(await relay.ask("counters", null));
  const left = async () => (await relay.ask("usedMemory", null)).live - before.live;
  await expect.poll(left, { interval: 500 }).toBeLessThan(LEFT_MAX);
});
