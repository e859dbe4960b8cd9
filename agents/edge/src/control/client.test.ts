import { randomUUID } from "node:crypto";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { ObjectKind, type Refusal, RemovalCause } from "@helloway/proto/edge";
import { routeObject } from "@helloway/test/harness/table-objects";
import { expect, test } from "vitest";
import { createRelay } from "../relay/create-relay.ts";
import type { Relay, TableObject } from "../relay/relay.ts";
import { ControlClient } from "./client.ts";
import { CorrectedClock } from "./corrected-clock.ts";
import { kindNumber } from "./object-kind.ts";
import { ServedTable } from "./served-table.ts";
import { digestAfter } from "./table-digest.ts";
import { TableStore } from "./table-store.ts";
import type { TableVersion } from "./table-version.ts";
import {
  type ControlPeer,
  type PeerOptions,
  type PeerSession,
  createAuthority,
  issueIdentity,
  startPeer,
} from "./test/control-peer.ts";
import { collectedLog } from "./test/logs.ts";
import { own, route, routes, version } from "./test/tables.ts";

const authority = await createAuthority();

interface EdgeRig extends AsyncDisposable {
  table: ServedTable;
  client: ControlClient;
  lines: Record<string, unknown>[];
}

/** An edge as main makes it: a real engine, a store, a client; without listeners. */
async function startEdge(
  directory: string,
  peer: Pick<ControlPeer, "port">,
  options: { cut?: Relay["cut"] } = {},
): Promise<EdgeRig> {
  const { log, lines } = collectedLog();
  const bootId = randomUUID();
  const relay = await createRelay({
    listen: [],
    workers: 1,
    proxyTrusted: [],
    geoDatabase: null,
    ownSockets: [],
    edgeName: "edge-1",
    bootId,
    dnsServers: null,
    log,
  });
  const { store, table: saved } = await TableStore.open(join(directory, "table"), log);
  const table = new ServedTable(relay, store, log);
  if (saved !== null) await table.restore(saved);
  const address = `127.0.0.1:${peer.port}`;
  const client = new ControlClient({
    identity: await issueIdentity(authority, address),
    address,
    agent: {
      bootId,
      agentVersion: "0.0.0",
      features: [],
      listeners: [{ address: "127.0.0.1", port: 8443 }],
      admin: { address: "127.0.0.1", port: 9443 },
      addresses: ["203.0.113.1"],
    },
    table,
    relay: { cut: options.cut ?? ((selector) => relay.cut(selector)) },
    clock: new CorrectedClock(),
    onWelcome: () => undefined,
    log,
  });
  const stop = new AbortController();
  const runs = [store.run(stop.signal), client.run(stop.signal)];
  return {
    table,
    client,
    lines,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(runs);
      await relay.close();
    },
  };
}

async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtempDisposable(join(tmpdir(), "helloway-client-"));
  return { path: directory.path, [Symbol.asyncDispose]: () => directory.remove() };
}

async function peerAndEdge(
  directory: string,
  { cut, ...options }: Partial<PeerOptions> & { cut?: Relay["cut"] } = {},
): Promise<{ peer: ControlPeer; edge: EdgeRig } & AsyncDisposable> {
  const peer = await startPeer({ authority, mutual: true, ...options });
  const edge = await startEdge(directory, peer, cut === undefined ? {} : { cut });
  return {
    peer,
    edge,
    async [Symbol.asyncDispose]() {
      await edge[Symbol.asyncDispose]();
      await peer[Symbol.asyncDispose]();
    },
  };
}

async function sessionOf(peer: ControlPeer, count = 1): Promise<PeerSession> {
  await expect.poll(() => peer.sessions.length).toBeGreaterThanOrEqual(count);
  return peer.sessions.at(-1)!;
}

function wire(objects: readonly TableObject[]): { kind: ObjectKind; id: string; body: Uint8Array; hash: Uint8Array }[] {
  return objects.map((object) => ({ ...object, kind: kindNumber(object.kind) }));
}

interface Snapshot {
  to: TableVersion;
  objects: ReturnType<typeof wire>;
  digest: Uint8Array;
}

async function snapshot(revision: number, objects: readonly TableObject[]): Promise<Snapshot> {
  const digest = new Uint8Array(await digestAfter(null, { objects, removals: [] }));
  return { to: version(revision), objects: wire(objects), digest };
}

function ackOf(session: PeerSession, revision: number): PeerSession["acks"][number] | undefined {
  return session.acks.find((ack) => ack.version?.revision === BigInt(revision));
}

test("proves itself, says what it is and that it has nothing, and serves the snapshot it is sent", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const session = await sessionOf(both.peer);
  expect(session.hello).toMatchObject({
    agentVersion: "0.0.0",
    listeners: [{ address: "127.0.0.1", port: 8443 }],
    admin: { address: "127.0.0.1", port: 9443 },
    addresses: ["203.0.113.1"],
    refusals: [],
  });
  expect(session.hello.have).toBeUndefined();
  await expect.poll(() => both.edge.client.status.connected).toBe(true);
  const objects = routes(5);
  const update = await snapshot(3, objects);
  // In parts.
  session.update({ ...update, objects: wire(objects.slice(0, 2)), more: true });
  session.update({ ...update, objects: wire(objects.slice(2)) });
  await expect.poll(() => ackOf(session, 3)).toMatchObject({ digest: update.digest, refusals: [], refusedWhole: "" });
  expect(both.edge.table.held?.objects.size).toBe(5);
});

test("acknowledges at once, and again when the disk has it", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const session = await sessionOf(both.peer);
  session.update(await snapshot(3, routes(5)));
  await expect.poll(() => session.acks.at(-1)?.disk?.savedRevision).toBe(3n);
  expect(session.acks[0]?.disk?.savedRevision).toBe(0n);
});

test("takes deltas, says what it has after a restart, and goes on from there", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority, mutual: true });
  const objects = routes(5);
  const delta = async (from: TableObject[], added: TableObject): Promise<Uint8Array> =>
    digestAfter(null, { objects: [...from, added], removals: [] });
  const late = route("late");
  {
    await using _edge = await startEdge(directory.path, peer);
    const session = await sessionOf(peer);
    session.update(await snapshot(3, objects));
    await expect.poll(() => ackOf(session, 3)).toBeDefined();
    session.update({ to: version(4), fromRevision: 3n, objects: wire([late]), digest: await delta(objects, late) });
    await expect.poll(() => ackOf(session, 4)).toMatchObject({ refusedWhole: "" });
  }
  await using edge = await startEdge(directory.path, peer);
  expect(edge.table.held?.version.revision).toBe(4n);
  const session = await sessionOf(peer, 2);
  expect(session.hello).toMatchObject({ have: { revision: 4n }, digest: await delta(objects, late) });
  const removals = [{ kind: ObjectKind.ROUTE, id: late.id, cause: RemovalCause.DELETE }];
  session.update({ to: version(5), fromRevision: 4n, removals, digest: (await snapshot(5, objects)).digest });
  await expect.poll(() => ackOf(session, 5)).toMatchObject({ refusedWhole: "" });
  expect(edge.table.held?.objects.size).toBe(5);
});

test("tells which objects it refuses, serves the good ones, and says so again after a restart", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority, mutual: true });
  const bad = routeObject("bad", { hostnames: ["bad.example.test"], backends: [{ host: "10.0.0.1", port: 443 }] });
  {
    await using edge = await startEdge(directory.path, peer);
    const session = await sessionOf(peer);
    session.update(await snapshot(1, [...routes(3), bad]));
    await expect.poll(() => ackOf(session, 1)).toMatchObject({ refusals: [{ id: bad.id, kind: ObjectKind.ROUTE }] });
    expect(edge.table.held?.objects.size).toBe(4);
    await expect.poll(() => edge.table.disk().savedRevision).toBe(1n);
  }
  await using _edge = await startEdge(directory.path, peer);
  expect((await sessionOf(peer, 2)).hello).toMatchObject({ refusals: [{ id: bad.id }] });
});

test("goes on serving the last good version of a refused edit after a restart", async () => {
  await using directory = await scratch();
  await using peer = await startPeer({ authority, mutual: true });
  const good = routeObject("app", { hostnames: ["app.example.test"], backends: [{ host: "127.0.0.1", port: 443 }] });
  const bad = routeObject("app", { hostnames: ["app.example.test"], backends: [{ host: "10.0.0.1", port: 443 }] });
  const refusal = { id: bad.id, offeredHash: new Uint8Array(bad.hash), usedHash: new Uint8Array(good.hash) };
  const shownRefusals = (refusals: readonly Refusal[]): unknown =>
    refusals.map(({ id, offeredHash, usedHash }) => ({
      id,
      offeredHash: new Uint8Array(offeredHash),
      usedHash: new Uint8Array(usedHash),
    }));
  {
    await using _edge = await startEdge(directory.path, peer);
    const session = await sessionOf(peer);
    session.update(await snapshot(1, [...routes(3), good]));
    await expect.poll(() => ackOf(session, 1)).toMatchObject({ refusals: [] });
    const { digest } = await snapshot(2, [...routes(3), bad]);
    session.update({ to: version(2), fromRevision: 1n, objects: wire([bad]), digest });
    await expect.poll(() => session.acks.at(-1)?.disk?.savedRevision).toBe(2n);
    expect(shownRefusals(ackOf(session, 2)!.refusals)).toEqual([refusal]);
  }
  await using edge = await startEdge(directory.path, peer);
  expect(shownRefusals((await sessionOf(peer, 2)).hello.refusals)).toEqual([refusal]);
  expect(Buffer.from(edge.table.held?.refused[0]?.kept?.body ?? [])).toEqual(Buffer.from(good.body));
});

test("says with its digest that its table is another one, and serves the snapshot that repairs it", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const session = await sessionOf(both.peer);
  const objects = routes(4);
  session.update(await snapshot(1, objects));
  await expect.poll(() => ackOf(session, 1)).toBeDefined();
  const repaired = await snapshot(2, [...objects, route("b")]);
  session.update({ to: version(2), fromRevision: 1n, objects: wire([route("a")]), digest: repaired.digest });
  await expect.poll(() => ackOf(session, 2)).toBeDefined();
  expect(Buffer.from(ackOf(session, 2)!.digest)).not.toEqual(Buffer.from(repaired.digest));
  session.update(repaired);
  await expect.poll(() => Buffer.from(session.acks.at(-1)!.digest).equals(Buffer.from(repaired.digest))).toBe(true);
});

test.each([
  ["of another installation", { to: version(9, { installation: "other" }) }],
  ["of a pool it is not in", { to: version(9, { poolId: "other" }) }],
  ["that goes back", { to: version(1) }],
  ["that is a delta from another revision", { to: version(9), fromRevision: 7n }],
  ["that would empty it without a cause", { to: version(9) }],
  ["that is not of its digest", { to: version(9), objects: wire(routes(30)), digest: new Uint8Array(32).fill(7) }],
])("refuses an update %s whole, says why, and keeps what it serves", async (_, fields) => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const session = await sessionOf(both.peer);
  const objects = routes(30);
  const served = await snapshot(5, objects);
  session.update(served);
  await expect.poll(() => ackOf(session, 5)).toBeDefined();
  session.update({ digest: new Uint8Array(32), ...fields });
  await expect
    .poll(() => session.acks.find(({ refusedWhole }) => refusedWhole !== ""))
    .toMatchObject({
      version: { revision: fields.to.revision },
      digest: served.digest,
    });
  expect(both.edge.table.held?.version).toEqual(version(5));
  // The session goes on.
  session.update(await snapshot(6, [...objects, route("new")]));
  await expect.poll(() => ackOf(session, 6)).toMatchObject({ refusedWhole: "" });
});

test("a control plane of another installation gets no further than its Welcome", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path, { welcome: { installation: "other" } });
  await expect
    .poll(() => both.edge.client.status)
    .toMatchObject({
      connected: false,
      reason: expect.stringContaining("this edge belongs to installation-1") as string,
    });
});

test("starts afresh when it was moved to another pool", async () => {
  await using directory = await scratch();
  {
    await using both = await peerAndEdge(directory.path);
    const session = await sessionOf(both.peer);
    session.update(await snapshot(50, routes(30)));
    await expect.poll(() => both.edge.table.disk().savedRevision).toBe(50n);
  }
  await using moved = await peerAndEdge(directory.path, { welcome: { poolId: "pool-2" } });
  const session = await sessionOf(moved.peer);
  const objects = routes(2);
  session.update({ ...(await snapshot(1, objects)), to: version(1, { poolId: "pool-2" }) });
  await expect.poll(() => ackOf(session, 1)).toMatchObject({ refusedWhole: "" });
  expect(moved.edge.table.held).toMatchObject({ version: { ...own, poolId: "pool-2", revision: 1n } });
});

test("dials again when the session ends or is cut, and serves on meanwhile", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const first = await sessionOf(both.peer);
  first.update(await snapshot(1, routes(3)));
  await expect.poll(() => ackOf(first, 1)).toBeDefined();
  first.end();
  const second = await sessionOf(both.peer, 2);
  expect(second.hello.have).toMatchObject({ revision: 1n });
  second.fail(status.UNAVAILABLE, "restarting");
  const third = await sessionOf(both.peer, 3);
  expect(third.hello.have).toMatchObject({ revision: 1n });
  expect(both.edge.table.held?.objects.size).toBe(3);
});

test("says clearly when its identity is refused, and goes on asking", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path, {
    connect: (session) => session.fail(status.UNAUTHENTICATED, "the edge is revoked"),
  });
  await sessionOf(both.peer, 2);
  await expect
    .poll(() => both.edge.lines.filter(({ reason }) => String(reason).includes("refuses this edge's identity")))
    .toHaveLength(1);
});

test("a stream that breaks the protocol is left, and another is opened", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const session = await sessionOf(both.peer);
  session.update({ to: version(1), digest: new Uint8Array(3) });
  await sessionOf(both.peer, 2);
  expect(both.edge.lines).toContainEqual(
    expect.objectContaining({ reason: expect.stringContaining("protocol error") as string }) as object,
  );
});

test("answers what it is asked, and the same in the next session when the answer was lost, without doing it twice", async () => {
  await using directory = await scratch();
  const done = Promise.withResolvers<number>();
  let cuts = 0;
  const cut = (): Promise<number> => {
    cuts++;
    return done.promise;
  };
  await using both = await peerAndEdge(directory.path, { cut });
  const first = await sessionOf(both.peer);
  first.request({ id: "request-1", action: { case: "cut", value: { routeUid: "route-1" } } });
  // Updates do not wait for it.
  first.update(await snapshot(1, routes(2)));
  await expect.poll(() => ackOf(first, 1)).toBeDefined();
  first.fail(status.UNAVAILABLE, "restarting");
  const second = await sessionOf(both.peer, 2);
  second.request({ id: "request-1", action: { case: "cut", value: { routeUid: "route-1" } } });
  done.resolve(3);
  await expect.poll(() => second.results).toMatchObject([{ id: "request-1", error: "", connections: 3n }]);
  second.request({ id: "request-1", action: { case: "cut", value: { routeUid: "route-1" } } });
  await expect.poll(() => second.results.map(({ connections }) => connections)).toEqual([3n, 3n]);
  expect(cuts).toBe(1);
});

test("a cut of a route without connections ends none, and what it does not know is refused", async () => {
  await using directory = await scratch();
  await using both = await peerAndEdge(directory.path);
  const session = await sessionOf(both.peer);
  session.request({ id: "request-1", action: { case: "cut", value: { routeUid: "route-1" } } });
  session.request({ id: "request-2" });
  await expect.poll(() => session.results).toHaveLength(2);
  expect(session.results.find(({ id }) => id === "request-1")).toMatchObject({ error: "", connections: 0n });
  expect(session.results.find(({ id }) => id === "request-2")?.error).not.toBe("");
});
