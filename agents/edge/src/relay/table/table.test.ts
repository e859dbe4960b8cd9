import { create, toBinary } from "@bufbuild/protobuf";
import { BarrierSchema, OnReject, PoolSettingsSchema, RouteSchema, WildcardDepth } from "@helloway/proto/table";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { TableObject } from "../relay.ts";
import { Table, type LastGood } from "./table.ts";

const noLastGood: LastGood = { lastGood: () => null };
const noHash = new Uint8Array(32);

const settings: TableObject = {
  kind: "settings",
  id: "settings",
  hash: noHash,
  body: toBinary(
    PoolSettingsSchema,
    create(PoolSettingsSchema, {
      hello: { timeoutMs: 1, bytesMax: 32_768 },
      grants: { default: { cidrs: ["127.0.0.0/8"], ports: [{ from: 1, to: 65_535 }] } },
    }),
  ),
};

interface Version {
  uid: string;
  hostnames: string[];
  allowed: boolean;
}

function route({ uid, hostnames, allowed }: Version): TableObject {
  const message = create(RouteSchema, {
    uid,
    team: "team",
    name: uid,
    hostnames,
    wildcardDepth: WildcardDepth.ANY,
    onReject: OnReject.KEEP,
    backends: [{ host: allowed ? "127.0.0.1" : "10.0.0.1", port: 1, weight: 1, priority: 0 }],
    timeouts: { connectMs: 1, idleMs: 1, halfClosedMs: 1, writeStallMs: 1 },
  });
  return { kind: "route", id: uid, hash: noHash, body: toBinary(RouteSchema, message) };
}

function finish(table: Table): void {
  while (!table.finish().next().done);
}

function open(): Table {
  return Table.open(settings, { ownSockets: [], geo: false }, noLastGood).table!;
}

const uids = ["a", "b", "c", "d"];
const names = ["one.test", "two.test", "*.test", "x.one.test"];
const version = fc.record({
  uid: fc.constantFrom(...uids),
  hostnames: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
  allowed: fc.boolean(),
});
const edits = fc.array(
  fc.record({ put: fc.uniqueArray(version, { selector: ({ uid }) => uid }), remove: fc.subarray(uids) }),
  { maxLength: 8 },
);

test("after any edits serves an allowed newest version whole, or an older one only where the newest and nobody else is", () => {
  fc.assert(
    fc.property(edits, (steps) => {
      const table = open();
      const newest = new Map<string, Version>();
      for (const { put, remove } of steps) {
        table.change({ put: put.map(route), removeRoutes: remove, removeBarriers: [] });
        for (const uid of remove) newest.delete(uid);
        for (const each of put) newest.set(each.uid, each);
      }
      const refused = new Map(table.refusedObjects().map((each) => [each.id, each]));
      for (const uid of refused.keys()) expect(newest.has(uid)).toBe(true);
      for (const name of names) {
        const found = table.names.lookup(name.replace("*.", "wild."));
        const holders = [...newest.values()].filter(
          ({ uid, hostnames }) => hostnames.includes(name) && !refused.has(uid),
        );
        expect(holders.length).toBeLessThanOrEqual(1);
        if (found.kind !== "routes" || found.hostname !== name) {
          expect(holders).toEqual([]);
          continue;
        }
        expect(found.routes.length).toBe(1);
        const served = found.routes[0]!;
        expect(newest.get(served.uid)?.hostnames).toContain(name);
        if (holders[0]) expect(served.uid).toBe(holders[0].uid);
        else expect(refused.get(served.uid)?.kept).not.toBe(null);
      }
      for (const { uid, allowed } of newest.values()) {
        const refusal = refused.get(uid);
        expect(refusal?.code).toBe(allowed ? (refusal ? "hostname_taken" : undefined) : "backend_not_allowed");
      }
    }),
    { numRuns: 150 },
  );
});

/** The route b wants what two others hold, one of which comes after it. */
const heldTwice: Version[] = [
  { uid: "a", hostnames: ["one.test"], allowed: true },
  { uid: "c", hostnames: ["two.test"], allowed: true },
  { uid: "b", hostnames: ["two.test", "one.test"], allowed: true },
];

test("a new table in slices serves what one change of all would", () => {
  fc.assert(
    fc.property(fc.uniqueArray(version, { selector: ({ uid }) => uid }), (versions) => {
      const sorted = [...versions].sort((a, b) => (a.uid < b.uid ? -1 : 1));
      const sliced = open();
      for (const each of sorted) sliced.add([route(each)], noLastGood);
      finish(sliced);
      const whole = open();
      whole.change({ put: sorted.map(route), removeRoutes: [], removeBarriers: [] });
      expect(sliced.refusedObjects()).toEqual(whole.refusedObjects());
      for (const name of names) expect(sliced.names.lookup(name)).toEqual(whole.names.lookup(name));
    }),
    { numRuns: 100, examples: [[heldTwice]] },
  );
});

test("hands out everything that was offered, refused objects and barriers included", () => {
  const table = open();
  const barrier: TableObject = {
    kind: "barrier",
    id: "barrier",
    hash: noHash,
    body: toBinary(BarrierSchema, create(BarrierSchema, { name: "three.test", tree: true })),
  };
  const objects = [
    route({ uid: "a", hostnames: ["one.test"], allowed: true }),
    route({ uid: "b", hostnames: ["two.test"], allowed: false }),
    barrier,
  ];
  table.change({ put: objects, removeRoutes: [], removeBarriers: [] });
  expect([...table.offered()]).toEqual([settings, ...objects]);
  table.change({ put: [], removeRoutes: ["a", "b"], removeBarriers: ["barrier"] });
  expect([...table.offered()]).toEqual([settings]);
  expect(table.refusedObjects()).toEqual([]);
  expect(table.names.lookup("x.three.test")).toEqual({ kind: "none" });
});

test("changes one route among 2,000 and leaves the others", () => {
  const table = open();
  const many = Array.from({ length: 2_000 }, (_, i) =>
    route({ uid: `r${i}`, hostnames: [`r${i}.test`], allowed: true }),
  );
  table.change({ put: many, removeRoutes: [], removeBarriers: [] });
  table.change({
    put: [route({ uid: "r7", hostnames: ["moved.test"], allowed: true })],
    removeRoutes: ["r8"],
    removeBarriers: [],
  });
  expect(table.names.lookup("r7.test").kind).toBe("none");
  expect(table.names.lookup("moved.test").kind).toBe("routes");
  expect(table.names.size).toBe(1_999);
});
