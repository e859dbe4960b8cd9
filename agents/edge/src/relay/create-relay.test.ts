import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { connectRaw } from "@helloway/test/harness/raw-client";
import { startSayingBackend } from "@helloway/test/harness/saying-backend";
import { startTcpBackend } from "@helloway/test/harness/tcp-backend";
import { routeObject, routeUid, settingsObject } from "@helloway/test/harness/table-objects";
import { clientHello, record, serverName } from "../../../../test/vectors/hello-bytes.ts";
import { createRelay } from "./create-relay.ts";
import type { Relay } from "./relay.ts";
import { KeptSums } from "./shared/traffic-kept.fixture.ts";

const SOURCE_UNDECIDED_MAX = 256;

/** A relay whose owner throws whenever a connection ends; what it logged as an error. */
async function startDefective(): Promise<{
  relay: Relay;
  errors: unknown[];
  client: () => ReturnType<typeof connect>;
}> {
  const errors: unknown[] = [];
  const silent = (): void => undefined;
  const relay = await createRelay({
    listen: [{ address: "127.0.0.1", port: 0 }],
    workers: 1,
    proxyTrusted: [],
    geoDatabase: null,
    ownSockets: [],
    edgeName: "edge",
    bootId: "boot",
    dnsServers: null,
    log: { debug: silent, info: silent, warn: silent, error: (fields: unknown) => errors.push(fields) },
    onClosed: () => {
      throw new Error("defect");
    },
  });
  await relay.listen();
  const client = () => connect({ host: "127.0.0.1", port: relay.listeners[0]!.port }).resume();
  return { relay, errors, client };
}

test("outlives a defect that one connection meets, logs it, and still counts the connection", async () => {
  const { relay, errors, client } = await startDefective();
  for (let i = 0; i < 2; i++) await once(client(), "close");
  // Of each end, or of both together.
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  const counters = await relay.counters();
  expect(counters).toMatchObject({ accepted: 2, undecided: 0 });
  expect(counters.routes.get("-")).toMatchObject({ opened: 2, closed: { no_table: 2 } });
  await relay.close();
});

test("does not let a connection pay for the defect of another that makes room for it", async () => {
  const { relay, errors, client } = await startDefective();
  await relay.apply({ snapshot: true, objects: [settingsObject()], removals: [] });
  const oldest = client();
  await expect.poll(async () => (await relay.counters()).undecided).toBe(1);
  const others = Array.from({ length: SOURCE_UNDECIDED_MAX }, client);
  await once(oldest, "close");
  await expect.poll(async () => (await relay.counters()).accepted).toBe(SOURCE_UNDECIDED_MAX + 1);
  const counters = await relay.counters();
  expect(counters.undecided).toBe(SOURCE_UNDECIDED_MAX);
  expect(counters.routes.get("-")?.closed).toEqual({ overloaded: 1 });
  expect(errors.length).toBe(1);
  for (const each of others) each.destroy();
  await relay.close();
});

async function startTwoWorkers(): Promise<Relay> {
  const silent = (): void => undefined;
  const relay = await createRelay({
    listen: [{ address: "127.0.0.1", port: 0 }],
    workers: 2,
    proxyTrusted: [],
    geoDatabase: null,
    ownSockets: [],
    edgeName: "edge",
    bootId: "boot",
    dnsServers: null,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
  await relay.listen();
  return relay;
}

test("forgets a route that is gone once its counters are kept, and counts it from nothing when it is served again", async () => {
  const relay = await startTwoWorkers();
  await using backend = await startSayingBackend("in");
  const name = "app.example.test";
  const uid = routeUid(name);
  const route = routeObject(name, { hostnames: [name], backends: [{ host: backend.host, port: backend.port }] });
  const removals = [{ kind: "route" as const, id: uid }];
  await relay.apply({ snapshot: true, objects: [settingsObject()], removals: [] });
  for (let round = 1; round <= 3; round++) {
    await relay.apply({ snapshot: false, objects: [route], removals: [] });
    for (let i = 0; i < 10; i++) {
      const client = await connectRaw(relay.listeners[0]!);
      client.send(record(clientHello({ extensions: [serverName(name)] })));
      await client.over();
      client.end();
    }
    await expect.poll(async () => (await relay.counters()).routes.get(uid)?.closed).toEqual({ backend_closed: 10 });
    expect(relay.forget(await relay.counters())).toEqual({ routes: [], backends: new Map() });
    await relay.apply({ snapshot: false, objects: [], removals });
    const kept = await relay.counters();
    expect(kept.routes.get(uid)?.opened).toBe(10);
    expect(relay.forget(kept)).toEqual({ routes: [uid], backends: new Map() });
    expect(await relay.counters()).toEqual({ accepted: 10 * round, undecided: 0, routes: new Map() });
  }
  await relay.close();
});

test("tells a bounded number of backends of a served route while thousands come and go, and all of them to whoever keeps it", async () => {
  const relay = await startTwoWorkers();
  await using backend = await startTcpBackend({ host: "0.0.0.0", onConnection: (peer) => peer.end("in") });
  const name = "app.example.test";
  const uid = routeUid(name);
  // No two alike: the same hello from the same port is taken for our own that comes back.
  const hello = (): Uint8Array => record(clientHello({ random: randomBytes(32), extensions: [serverName(name)] }));
  const helloBytes = hello().length;
  const keeper = new KeptSums();
  await relay.apply({ snapshot: true, objects: [settingsObject()], removals: [] });
  const rounds = 40;
  for (let round = 0; round < rounds; round++) {
    // The last are those of the first round once more.
    const pods = `127.1.${round % (rounds - 1)}`;
    const backends = Array.from({ length: 64 }, (_, i) => ({ host: `${pods}.${i + 1}`, port: backend.port }));
    await relay.apply({
      snapshot: false,
      objects: [routeObject(name, { hostnames: [name], backends })],
      removals: [],
    });
    const visits = backends.map(async () => {
      const client = await connectRaw(relay.listeners[0]!);
      client.send(hello());
      await client.over();
      client.end();
    });
    await Promise.all(visits);
    const closed = 64 * (round + 1);
    await expect
      .poll(async () => (await relay.counters()).routes.get(uid)?.closed, { interval: 5 })
      .toEqual({ backend_closed: closed });
    const now = await relay.counters();
    expect(now.routes.get(uid)!.backends.size).toBeLessThanOrEqual(512);
    keeper.keep(now);
    keeper.forget(relay.forget(now));
  }
  const all = 64 * rounds;
  expect(keeper.sums.get(uid)).toEqual([all, all, all * helloBytes, all * 2]);
  keeper.sums.delete(uid);
  expect(keeper.sums.size).toBe(all - 64);
  for (const [key, sums] of keeper.sums) {
    const dials = key.startsWith(`${uid} 127.1.0.`) ? 2 : 1;
    expect(sums).toEqual([dials, 0, dials, dials, dials * helloBytes, dials * 2]);
  }
  expect(keeper.toldCount).toBeLessThanOrEqual(512);
  await relay.close();
});
