import { backend, createFleet, described, type Fleet, poolSpec, timeouts } from "@helloway/test/harness/fleet";
import { eachDatabase } from "@helloway/test/harness/database";
import { checkTable } from "@helloway/test/harness/table-replay";
import { fromBinary } from "@bufbuild/protobuf";
import { PoolSettingsSchema } from "@helloway/proto/table";
import { and, eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import type { Database } from "../db/database.ts";
import { edges } from "../db/schema/edges.ts";
import { pools, tableObjects } from "../db/schema/pools.ts";
import { inTransaction } from "../db/transaction.ts";
import type { Context } from "./context.ts";
import { registerControlSockets } from "./control-sockets.ts";
import { deleteEdge } from "./edges.ts";
import { objectKinds } from "./encode-object.ts";
import { deletePool, getPool, listPools, putPool } from "./pools.ts";
import { syncSettings } from "./settings.ts";
import type { PoolSpec } from "./specs.ts";

eachDatabase((open) => {
  let database: Database;
  let fleet: Fleet;
  let ours: Context;
  beforeAll(async () => {
    database = await open();
    fleet = await createFleet(database);
    ours = await fleet.team("ours");
    await fleet.domain("ours", "ours.example.com");
  });

  const put = (ctx: Context, name: string, spec: Partial<PoolSpec> = {}) =>
    putPool(ctx, { name, put: { ...described, spec: { ...poolSpec, ...spec } }, precondition: {} });
  const poolId = async (name: string) =>
    (await database.db.select().from(pools).where(eq(pools.name, name)))[0]?.id ?? "";
  const settings = async (name: string) => {
    const [row] = await database.db
      .select()
      .from(tableObjects)
      .where(and(eq(tableObjects.poolId, await poolId(name)), eq(tableObjects.kind, objectKinds.settings)));
    return fromBinary(PoolSettingsSchema, row?.body ?? new Uint8Array());
  };

  test("a new pool's table is its settings, at revision 1", async () => {
    const body = { backends: [backend()], timeouts };
    const made = await put(fleet.admin, "fresh", { noSni: body });
    expect(made).toMatchObject({ created: true, object: { revision: 1, version: 1 } });
    expect(await checkTable(database.db, "fresh")).toHaveLength(1);
    expect(await settings("fresh")).toMatchObject({
      hello: { timeoutMs: 5000, bytesMax: 32_768 },
      noSni: {
        uid: "@noSni",
        team: "",
        backends: [{ host: "93.184.216.34", port: 443, weight: 1 }],
        timeouts: { connectMs: 3000 },
      },
      grants: { default: { cidrs: ["public"], ports: [{ from: 443, to: 443 }] } },
    });
    expect((await settings("fresh")).unmatched).toBeUndefined();
  });

  test("a repeat is nothing, labels are a version, settings are a revision", async () => {
    await put(fleet.admin, "steps");
    expect((await put(fleet.admin, "steps")).object).toMatchObject({ version: 1, revision: 1 });
    const labelled = { ...described, labels: { a: "b" }, spec: poolSpec };
    const second = await putPool(fleet.admin, { name: "steps", put: labelled, precondition: { ifMatch: 1 } });
    expect(second.object).toMatchObject({ version: 2, revision: 1 });
    expect((await put(fleet.admin, "steps", { hello: { timeoutMs: 1000, bytesMax: 1024 } })).object).toMatchObject({
      version: 3,
      revision: 2,
    });
    await checkTable(database.db, "steps");
  });

  test("the order in which grants are written does not matter", async () => {
    const grant = poolSpec.addresses.default;
    await put(fleet.admin, "ordered", { addresses: { ...poolSpec.addresses, teams: { b: grant, a: grant } } });
    const again = await put(fleet.admin, "ordered", {
      addresses: { ...poolSpec.addresses, teams: { a: grant, b: grant } },
    });
    expect(again.object.revision).toBe(1);
  });

  test("grants that cannot be are pointed at", async () => {
    const addresses = {
      default: { cidrs: ["10.0.0.0/8", "10.0.0.0/99"], ports: [{ from: 0, to: 1 }] },
      teams: { a: { cidrs: ["169.254.169.254/32"], ports: [] } },
      nat64: ["64:ff9b::/33"],
    };
    const problems = await put(fleet.admin, "wrong", { addresses }).catch(
      (error: { problems: { pointer: string }[] }) => error.problems,
    );
    expect(problems).toMatchObject([
      { pointer: "/spec/addresses/default/cidrs/1" },
      { pointer: "/spec/addresses/default/ports/0" },
      { pointer: "/spec/addresses/teams/a/cidrs/0" },
      { pointer: "/spec/addresses/nat64/0" },
    ]);
  });

  test("everybody reads names, administrators and viewers the rest", async () => {
    await put(fleet.admin, "seen");
    expect(await getPool(ours, { name: "seen" })).toEqual({ name: "seen" });
    expect((await listPools(ours, { limit: 500, cursor: null })).items).toContainEqual({ name: "seen" });
    expect(await getPool(fleet.viewer, { name: "seen" })).toMatchObject({ name: "seen", spec: poolSpec });
    await expect(put(ours, "seen")).rejects.toMatchObject({ kind: "forbidden" });
    await expect(put(fleet.viewer, "seen")).rejects.toMatchObject({ kind: "forbidden" });
    await expect(deletePool(ours, { name: "seen", precondition: {} })).rejects.toMatchObject({ kind: "forbidden" });
    await expect(getPool(ours, { name: "unseen" })).rejects.toMatchObject({ kind: "not_found" });
  });

  test("sockets and addresses of the fleet reach every pool, and go with the edge", async () => {
    await put(fleet.admin, "sockets-a");
    await put(fleet.admin, "sockets-b");
    await registerControlSockets(database.db, {
      sockets: [{ address: "0.0.0.0", port: 8080, purpose: "http" }],
      now: new Date(),
    });
    const before = await settings("sockets-a");
    expect(before.reservedSockets).toMatchObject([{ address: "0.0.0.0", port: 8080 }]);
    await database.db.insert(edges).values({
      name: "edge-1",
      poolId: await poolId("sockets-a"),
      listeners: [
        { address: "0.0.0.0", port: 443 },
        { address: "::0", port: 443 },
        { address: "nonsense", port: 1 },
      ],
      admin: { address: "127.0.0.1", port: 9443 },
      addresses: ["2001:DB8::1", "198.51.100.1", "fe80::1%eth0"],
    });
    await inTransaction(database.db, (tx) => syncSettings(tx, fleet.admin));
    for (const pool of ["sockets-a", "sockets-b"]) {
      const now = await settings(pool);
      expect(now.reservedSockets.map(({ address, port }) => `${address} ${port}`)).toEqual([
        "0.0.0.0 443",
        "0.0.0.0 8080",
        "127.0.0.1 9443",
        ":: 443",
      ]);
      expect(now.fleetAddresses).toEqual(["198.51.100.1", "2001:db8::1"]);
      await checkTable(database.db, pool);
    }
    const { revision } = (await getPool(fleet.viewer, { name: "sockets-b" })) as { revision: number };
    await inTransaction(database.db, (tx) => syncSettings(tx, fleet.admin));
    expect(await getPool(fleet.viewer, { name: "sockets-b" })).toMatchObject({ revision });
    await expect(deletePool(fleet.admin, { name: "sockets-a", precondition: {} })).rejects.toMatchObject({
      code: "pool_in_use",
    });
    await deleteEdge(fleet.admin, { name: "edge-1", precondition: {} });
    expect(await settings("sockets-b")).toEqual(before);
    await deletePool(fleet.admin, { name: "sockets-a", precondition: {} });
  });

  test("a pool with routes stays", async () => {
    await put(fleet.admin, "kept");
    await fleet.route(ours, "ours", "kept", { pool: "kept", hostnames: ["kept.ours.example.com"] });
    await expect(deletePool(fleet.admin, { name: "kept", precondition: {} })).rejects.toMatchObject({
      code: "pool_in_use",
    });
  });
});
