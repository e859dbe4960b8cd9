import { randomBytes, randomUUID } from "node:crypto";
import { create, fromBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { ConnectRequestSchema, RemovalCause } from "@helloway/proto/edge";
import { PoolSettingsSchema } from "@helloway/proto/table";
import { and, eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../../../test/harness/control-plane.ts";
import { eachDatabase } from "../../../../test/harness/database.ts";
import { type HeldTable, connectEdge, enrolEdge } from "../../../../test/harness/edge-client.ts";
import { edgeRefusals, edges } from "../db/schema/edges.ts";
import { installation } from "../db/schema/installation.ts";
import { pools, revisions, tableChanges } from "../db/schema/pools.ts";
import { inTransaction } from "../db/transaction.ts";
import { recordAcknowledgements } from "../fleet/acknowledgements.ts";
import { type TableChange, commitRevision } from "../fleet/revisions.ts";

eachDatabase((open) => {
  let control: ControlPlane;
  let poolId: string;

  beforeAll(async () => {
    control = await startControlPlane(await open());
    await control.fleet.pool("main");
    const [pool] = await control.database.db.select().from(pools);
    poolId = pool!.id;
  });

  const commit = async (...changes: TableChange[]): Promise<number> =>
    await inTransaction(control.database.db, (tx) =>
      commitRevision(tx, { poolId, author: "test", cause: "test", changes }),
    );
  const route = (id: string, bytes = 50): TableChange => ({ kind: 1, id, body: new Uint8Array(randomBytes(bytes)) });
  const remove = (id: string): TableChange => ({ kind: 1, id, remove: RemovalCause.DELETE });
  const edgeRow = async (id: string) => {
    const [row] = await control.database.db.select().from(edges).where(eq(edges.id, id));
    return row!;
  };
  const headDigest = async (): Promise<Uint8Array> => {
    const [pool] = await control.database.db.select().from(pools).where(eq(pools.id, poolId));
    return pool!.digest;
  };
  /** A held table as it was given, at another version. */
  const at = (held: HeldTable, version: Partial<HeldTable["version"]>): HeldTable => ({
    ...held,
    version: { ...held.version, ...version },
  });

  test("an edge that has nothing gets a snapshot, then deltas, and its digest is always the pool's", async () => {
    await commit(route("one"), route("two"));
    const edge = await enrolEdge(control, "main", "fresh");
    const connection = connectEdge(edge);
    expect(await connection.welcome).toMatchObject({
      pool: "main",
      poolId,
      edgeName: "fresh",
      reportIntervalMs: 10_000,
    });
    await expect.poll(() => connection.updates.length).toBe(1);
    expect(connection.updates[0]).toMatchObject({ fromRevision: null });
    const from = connection.held!.version.revision;
    const revision = await commit(route("one"), route("three"), remove("two"));
    await expect.poll(() => connection.held?.version.revision).toBe(BigInt(revision));
    const delta = connection.updates.at(-1)!;
    expect(delta.fromRevision).toBe(from);
    expect(delta.objects.map(({ id }) => id).toSorted()).toEqual(["one", "three"]);
    expect(delta.removals).toMatchObject([{ id: "two", cause: RemovalCause.DELETE }]);
    expect(connection.digest()).toEqual(await headDigest());
    await expect.poll(async () => (await edgeRow(edge.enrolled.edgeId)).appliedRevision).toBe(revision);
  });

  test("an edge that comes back gets one delta of all that it missed, the last change of each object", async () => {
    const edge = await enrolEdge(control, "main", "back");
    const first = connectEdge(edge);
    await expect.poll(() => first.held).not.toBeNull();
    first.stream.cancel();
    await first.ended;
    await commit(route("x"));
    await commit(route("y"));
    await commit(remove("x"));
    const last = await commit(route("y"));
    const second = connectEdge(edge, { held: first.held! });
    await expect.poll(() => second.held?.version.revision).toBe(BigInt(last));
    expect(second.updates).toHaveLength(1);
    expect(second.updates[0]!.fromRevision).toBe(first.held!.version.revision);
    expect(second.updates[0]!.objects.filter(({ id }) => id === "y")).toHaveLength(1);
    expect(second.digest()).toEqual(await headDigest());
  });

  test("an edge that is up to date is sent nothing, and counts as having applied it", async () => {
    const edge = await enrolEdge(control, "main", "current");
    const first = connectEdge(edge, { acknowledge: () => null });
    await expect.poll(() => first.held).not.toBeNull();
    const second = connectEdge(edge, { held: first.held! });
    await second.welcome;
    const applied = Number(first.held!.version.revision);
    await expect.poll(async () => (await edgeRow(edge.enrolled.edgeId)).appliedRevision).toBe(applied);
    expect(second.updates).toEqual([]);
  });

  test("a table of several MiB comes in parts of about 1 MiB that make one update", async () => {
    const edge = await enrolEdge(control, "main", "large");
    const ids = Array.from({ length: 40 }, (_, index) => `large-${index}`);
    await commit(...ids.map((id) => route(id, 100_000)));
    await commit(route("huge", 1_500_000));
    const connection = connectEdge(edge);
    await expect.poll(() => connection.updates.length).toBe(1);
    expect(connection.updates[0]!.parts).toBeGreaterThanOrEqual(5);
    expect(connection.digest()).toEqual(await headDigest());
    await commit(remove("huge"), ...ids.map(remove));
  });

  test("an edge whose table differs gets a snapshot; when it differs again nothing until the next revision", async () => {
    const edge = await enrolEdge(control, "main", "differs");
    const wrong = new Uint8Array(32).fill(7);
    const connection = connectEdge(edge, { acknowledge: ({ to }) => ({ version: to, digest: wrong }) });
    await expect.poll(() => connection.updates.length).toBe(2);
    expect(connection.updates.map(({ fromRevision }) => fromRevision)).toEqual([null, null]);
    const before = connection.held!.version.revision;
    const revision = await commit(route("differs"));
    await expect.poll(() => connection.updates.length).toBe(4);
    expect(connection.updates.map(({ to }) => to.revision)).toEqual([
      before,
      before,
      BigInt(revision),
      BigInt(revision),
    ]);
    // A digest that is wrong has never been applied.
    expect((await edgeRow(edge.enrolled.edgeId)).appliedRevision).toBe(0);
  });

  test("an edge that lies about what it has gets a snapshot that says why the rest is gone", async () => {
    const edge = await enrolEdge(control, "main", "liar");
    await commit(route("stays"), route("goes"));
    const first = connectEdge(edge);
    await expect.poll(() => first.held).not.toBeNull();
    first.stream.cancel();
    await commit(remove("goes"));
    const held = { ...first.held!, digest: new Uint8Array(32) };
    const second = connectEdge(edge, { held });
    await expect.poll(() => second.updates.length).toBe(1);
    expect(second.updates[0]).toMatchObject({
      fromRevision: null,
      removals: [{ id: "goes", cause: RemovalCause.DELETE }],
    });
    expect(second.digest()).toEqual(await headDigest());
  });

  test("a table of another installation, another pool or an older epoch is replaced whole", async () => {
    const edge = await enrolEdge(control, "main", "foreign");
    const first = connectEdge(edge);
    await expect.poll(() => first.held).not.toBeNull();
    first.stream.cancel();
    for (const version of [{ installation: randomUUID() }, { poolId: randomUUID() }, { epoch: 0n }]) {
      const again = connectEdge(edge, { held: at(first.held!, version) });
      await expect.poll(() => again.updates.length).toBe(1);
      expect(again.updates[0]).toMatchObject({ fromRevision: null, to: first.held!.version });
      again.stream.cancel();
    }
  });

  test("a table that history does not reach back to is replaced whole", async () => {
    const edge = await enrolEdge(control, "main", "ancient");
    const first = connectEdge(edge);
    await expect.poll(() => first.held).not.toBeNull();
    first.stream.cancel();
    const from = Number(first.held!.version.revision);
    const last = await commit(route("ancient"));
    for (const table of [revisions, tableChanges]) {
      await control.database.db.delete(table).where(and(eq(table.poolId, poolId), eq(table.revision, from)));
    }
    const second = connectEdge(edge, { held: first.held! });
    await expect.poll(() => second.held?.version.revision).toBe(BigInt(last));
    expect(second.updates[0]!.fromRevision).toBeNull();
  });

  test("an edge that is ahead of the database is sent nothing", async () => {
    const edge = await enrolEdge(control, "main", "ahead");
    const first = connectEdge(edge);
    await expect.poll(() => first.held).not.toBeNull();
    const { epoch, revision } = first.held!.version;
    for (const version of [{ revision: revision + 100n }, { epoch: epoch + 1n, revision: 1n }]) {
      const second = connectEdge(edge, { held: at(first.held!, version) });
      await second.welcome;
      const last = await commit(route("ahead"));
      // Another edge has it, so the replica knows of it.
      const other = connectEdge(await enrolEdge(control, "main", `beside-${version.revision}`));
      await expect.poll(() => other.held?.version.revision).toBe(BigInt(last));
      expect(second.updates).toEqual([]);
      second.stream.cancel();
    }
  });

  test("a new epoch begins with a snapshot", async () => {
    const { db } = control.database;
    const edge = await enrolEdge(control, "main", "epoch");
    const connection = connectEdge(edge);
    await expect.poll(() => connection.held).not.toBeNull();
    const [row] = await db.select().from(installation);
    await db.update(installation).set({ epoch: row!.epoch + 1 });
    await expect.poll(() => connection.held?.version.epoch).toBe(BigInt(row!.epoch + 1));
    expect(connection.updates.at(-1)!.fromRevision).toBeNull();
  });

  test("an update that the edge refuses whole is not sent again; the next revision is", async () => {
    const edge = await enrolEdge(control, "main", "refuses");
    let refuse = true;
    const connection = connectEdge(edge, {
      acknowledge: ({ to }, held) =>
        refuse
          ? { version: to, refusedWhole: "it would remove everything" }
          : { version: to, digest: held.digest, disk: { savedRevision: 1n, error: "disk full" } },
    });
    await expect.poll(() => connection.updates.length).toBe(1);
    refuse = false;
    const revision = await commit(route("refuses"));
    await expect.poll(async () => (await edgeRow(edge.enrolled.edgeId)).appliedRevision).toBe(revision);
    expect(connection.updates).toHaveLength(2);
    expect(await edgeRow(edge.enrolled.edgeId)).toMatchObject({ savedRevision: 1, diskError: "disk full" });
  });

  test("what an edge refuses is kept until it refuses it no longer", async () => {
    const edge = await enrolEdge(control, "main", "nack");
    const refusal = {
      kind: 1,
      id: "bad",
      offeredHash: new Uint8Array(32).fill(1),
      code: "backend_not_allowed",
      detail: "no \u0000 control characters",
    } as const;
    const connection = connectEdge(edge);
    await expect.poll(() => connection.held).not.toBeNull();
    const { version, digest } = connection.held!;
    const stored = () =>
      control.database.db.select().from(edgeRefusals).where(eq(edgeRefusals.edgeId, edge.enrolled.edgeId));
    connection.send({ version, digest, refusals: [refusal] });
    await expect
      .poll(stored)
      .toMatchObject([
        { objectId: "bad", usedHash: null, code: "backend_not_allowed", detail: "no   control characters" },
      ]);
    connection.send({ version, digest, refusals: [] });
    await expect.poll(stored).toEqual([]);
  });

  test("only the newest session of an edge records anything, and what it applied never goes back", async () => {
    const edge = await enrolEdge(control, "main", "fenced");
    const first = connectEdge(edge);
    await expect.poll(async () => (await edgeRow(edge.enrolled.edgeId)).appliedRevision).toBeGreaterThan(0);
    first.stream.cancel();
    const { session, appliedRevision, appliedEpoch } = await edgeRow(edge.enrolled.edgeId);
    const record = (session: number, revision: number) =>
      recordAcknowledgements(control.database.db, {
        acks: [
          {
            edgeId: edge.enrolled.edgeId,
            session,
            applied: { epoch: appliedEpoch, revision },
            disk: { savedRevision: revision, error: "" },
            refusals: [],
          },
        ],
        now: new Date(),
      });
    await record(session - 1, appliedRevision + 5);
    expect(await edgeRow(edge.enrolled.edgeId)).toMatchObject({ appliedRevision });
    await record(session, appliedRevision - 1);
    expect(await edgeRow(edge.enrolled.edgeId)).toMatchObject({ appliedRevision, savedRevision: appliedRevision - 1 });
    await record(session, appliedRevision + 1);
    expect(await edgeRow(edge.enrolled.edgeId)).toMatchObject({ appliedRevision: appliedRevision + 1 });
  });

  test("the end of a stream is seen in the edge's row", async () => {
    const edge = await enrolEdge(control, "main", "gone");
    const connection = connectEdge(edge);
    await connection.welcome;
    expect(await edgeRow(edge.enrolled.edgeId)).toMatchObject({ disconnectedAt: null, agentVersion: "test" });
    connection.stream.cancel();
    await expect.poll(async () => (await edgeRow(edge.enrolled.edgeId)).disconnectedAt).not.toBeNull();
  });

  test("the sockets and public addresses that an edge reports are reserved in the pool's settings", async () => {
    const edge = await enrolEdge(control, "main", "reports");
    const listeners = [{ address: "0.0.0.0", port: 443 }];
    const admin = { address: "127.0.0.1", port: 9443 };
    const addresses = ["203.0.113.9", "127.0.0.1", "fe80::1", "2001:DB8::0:9", "169.254.1.1", "::", "::ffff:127.0.0.1"];
    const connection = connectEdge(edge, { hello: { listeners, admin, addresses } });
    await expect
      .poll(() => {
        const settings = connection.held?.objects.get("3 settings");
        return settings === undefined ? null : fromBinary(PoolSettingsSchema, settings.body);
      })
      .toMatchObject({
        reservedSockets: expect.arrayContaining([
          expect.objectContaining(listeners[0]!),
          expect.objectContaining(admin),
        ]) as unknown,
        fleetAddresses: ["2001:db8::9", "203.0.113.9"],
      });
    const { revision } = connection.held!.version;
    // The same again changes nothing.
    const again = connectEdge(edge, { held: connection.held!, hello: { listeners, admin, addresses } });
    await again.welcome;
    expect((await control.database.db.select().from(pools).where(eq(pools.id, poolId)))[0]!.revision).toBe(
      Number(revision),
    );
  });

  test.each([
    ["no Hello first", { case: "ack", value: {} }],
    ["a boot id that is none", { case: "hello", value: { bootId: "x" } }],
    [
      "a socket that is none",
      { case: "hello", value: { bootId: randomUUID(), listeners: [{ address: "localhost", port: 1 }] } },
    ],
    [
      "a port that is none",
      { case: "hello", value: { bootId: randomUUID(), admin: { address: "127.0.0.1", port: 70_000 } } },
    ],
    ["an address that is none", { case: "hello", value: { bootId: randomUUID(), addresses: ["127.1"] } }],
    [
      "too many listeners",
      {
        case: "hello",
        value: { bootId: randomUUID(), listeners: Array.from({ length: 65 }, () => ({ address: "::", port: 1 })) },
      },
    ],
    [
      "a digest of the wrong length",
      { case: "hello", value: { bootId: randomUUID(), have: { revision: 1n }, digest: new Uint8Array(5) } },
    ],
  ] as const)("a stream that begins with %s is ended and changes nothing", async (_, message) => {
    const edge = await enrolEdge(control, "main", `bad-${randomUUID()}`);
    const stream = edge.client.connect();
    stream.on("error", () => undefined);
    stream.on("data", () => undefined);
    const ended = new Promise<grpc.StatusObject>((resolve) => stream.on("status", resolve));
    stream.write(create(ConnectRequestSchema, { message: message as never }));
    expect(await ended).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
    expect(await edgeRow(edge.enrolled.edgeId)).toMatchObject({ session: 0, listeners: [] });
  });

  test("an Ack of something that was never sent ends the stream", async () => {
    const edge = await enrolEdge(control, "main", "invents");
    const connection = connectEdge(edge);
    await expect.poll(() => connection.held).not.toBeNull();
    const { version, digest } = connection.held!;
    connection.send({ version: { ...version, revision: version.revision + 50n }, digest });
    expect(await connection.ended).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  });
});
