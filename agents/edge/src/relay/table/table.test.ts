import { create, toBinary } from "@bufbuild/protobuf";
import { BarrierSchema, OnReject, PoolSettingsSchema, RouteSchema, WildcardDepth } from "@helloway/proto/table";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { TableObject } from "../relay.ts";
import { type CheckedObject, type LastGood, Table } from "./table.ts";

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
  /** Only for clients that offer h2; otherwise for all. */
  h2?: boolean;
  /** Whether an earlier version may be served instead. */
  keep?: boolean;
}

function route({ uid, hostnames, allowed, h2 = false, keep = true }: Version): TableObject {
  const message = create(RouteSchema, {
    uid,
    team: "team",
    name: uid,
    hostnames,
    wildcardDepth: WildcardDepth.ANY,
    onReject: keep ? OnReject.KEEP : OnReject.DROP,
    ...(h2 ? { match: { alpn: [new TextEncoder().encode("h2")] } } : {}),
    backends: [{ host: allowed ? "127.0.0.1" : "10.0.0.1", port: 1, weight: 1, priority: 0 }],
    timeouts: { connectMs: 1, idleMs: 1, halfClosedMs: 1, writeStallMs: 1 },
  });
  return { kind: "route", id: uid, hash: noHash, body: toBinary(RouteSchema, message) };
}

function finish(table: Table): void {
  for (const _ of table.finish());
}

function open(): Table {
  return Table.open(settings, { ownSockets: [], geo: false }, noLastGood).table!;
}

function checked(table: Table, objects: Iterable<TableObject>): CheckedObject[] {
  return [...objects].flatMap((each) => (each.kind === "settings" ? [] : [table.check({ ...each, kind: each.kind })]));
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
        table.change({ put: checked(table, put.map(route)), removeRoutes: remove, removeBarriers: [] });
        for (const uid of remove) newest.delete(uid);
        for (const each of put) newest.set(each.uid, each);
      }
      const refused = new Map([...table.refused()].map((each) => [each.id, each]));
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
      for (const each of sorted) sliced.add(checked(sliced, [route(each)]), noLastGood);
      finish(sliced);
      const whole = open();
      whole.change({ put: checked(whole, sorted.map(route)), removeRoutes: [], removeBarriers: [] });
      expect([...sliced.refused()]).toEqual([...whole.refused()]);
      for (const name of names) expect(sliced.names.lookup(name)).toEqual(whole.names.lookup(name));
    }),
    { numRuns: 100, examples: [[heldTwice]] },
  );
});

const anyVersion = fc.record({
  uid: fc.constantFrom(...uids),
  hostnames: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
  allowed: fc.boolean(),
  h2: fc.boolean(),
  keep: fc.boolean(),
});
const anyEdits = fc.array(
  fc.record({
    put: fc.uniqueArray(anyVersion, { selector: ({ uid }) => uid, maxLength: 2 }),
    remove: fc.subarray(uids, { maxLength: 1 }),
  }),
  { maxLength: 12 },
);

/** What a table tells of itself: its answers on every name and below every wildcard, and its refusals in the order of their ids. */
function told(table: Table): unknown {
  const refused = [...table.refused()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const asked = names.flatMap((name) => [name.replace("*.", "wild."), name.replace("*.", "far.wild.")]);
  return { refused, found: asked.map((name) => table.names.lookup(name)) };
}

type AnyEdits = { put: Required<Version>[]; remove: string[] }[];

function puts(...versions: Version[]): AnyEdits {
  return versions.map((each) => ({ put: [{ h2: false, keep: true, ...each }], remove: [] }));
}

/** The last edit is about a hostname of b, which must not keep the other one, since a does. */
const keptByAnother = puts(
  { uid: "b", hostnames: ["one.test", "two.test"], allowed: true },
  { uid: "b", hostnames: ["one.test", "two.test"], allowed: false },
  { uid: "a", hostnames: ["two.test"], allowed: true },
  { uid: "a", hostnames: ["two.test"], allowed: false },
  { uid: "c", hostnames: ["one.test"], allowed: false },
);
/** The last edit lets b be served, and thereby takes from d a hostname that the edit does not name. */
const servedByAnother = puts(
  { uid: "d", hostnames: ["two.test"], allowed: true },
  { uid: "d", hostnames: ["two.test"], allowed: false },
  { uid: "c", hostnames: ["one.test"], allowed: true },
  { uid: "b", hostnames: ["one.test", "two.test"], allowed: true },
  { uid: "c", hostnames: ["x.one.test"], allowed: true },
);

test("an edit leaves nothing for a look at every refused route to change", () => {
  fc.assert(
    fc.property(anyEdits, (steps) => {
      const table = open();
      for (const { put, remove } of steps) {
        table.change({ put: checked(table, put.map(route)), removeRoutes: remove, removeBarriers: [] });
        const edited = told(table);
        finish(table);
        expect(told(table)).toEqual(edited);
      }
    }),
    { numRuns: 500, examples: [[keptByAnother], [servedByAnother]] },
  );
});

test("after any edits serves what a new table of the same objects would, unless routes contend for a hostname", () => {
  fc.assert(
    fc.property(anyEdits, (steps) => {
      const table = open();
      for (const { put, remove } of steps) {
        table.change({ put: checked(table, put.map(route)), removeRoutes: remove, removeBarriers: [] });
        // Who came first holds a hostname: that is not in the objects.
        if ([...table.refused()].some(({ code }) => code === "hostname_taken")) continue;
        const fresh = open();
        fresh.add(checked(fresh, table.offered()), table);
        finish(fresh);
        expect(told(fresh)).toEqual(told(table));
      }
    }),
    { numRuns: 500 },
  );
});

test("a route that was refused for a hostname is served when the holder moves away, and so is what waits for that one", () => {
  const table = open();
  const put = (...versions: Version[]): void =>
    table.change({ put: checked(table, versions.map(route)), removeRoutes: [], removeBarriers: [] });
  put({ uid: "d", hostnames: ["one.test"], allowed: true });
  put({ uid: "a", hostnames: ["two.test"], allowed: true });
  put({ uid: "b", hostnames: ["one.test", "two.test"], allowed: true });
  put({ uid: "c", hostnames: ["two.test"], allowed: true });
  expect([...table.refused()].map(({ id }) => id).toSorted()).toEqual(["b", "c"]);
  put({ uid: "a", hostnames: ["x.one.test"], allowed: true });
  expect([...table.refused()].map(({ id }) => id)).toEqual(["b"]);
  put({ uid: "c", hostnames: ["*.test"], allowed: true }, { uid: "d", hostnames: ["*.test"], allowed: false });
  expect([...table.refused()].map(({ id }) => id)).toEqual(["d"]);
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
  table.change({ put: checked(table, objects), removeRoutes: [], removeBarriers: [] });
  expect(new Set(table.offered())).toEqual(new Set([settings, ...objects]));
  table.change({ put: [], removeRoutes: ["a", "b"], removeBarriers: ["barrier"] });
  expect([...table.offered()]).toEqual([settings]);
  expect([...table.refused()]).toEqual([]);
  expect(table.names.lookup("x.three.test")).toEqual({ kind: "none" });
});

test("changes one route among 2,000 and leaves the others", () => {
  const table = open();
  const many = Array.from({ length: 2_000 }, (_, i) =>
    route({ uid: `r${i}`, hostnames: [`r${i}.test`], allowed: true }),
  );
  table.change({ put: checked(table, many), removeRoutes: [], removeBarriers: [] });
  table.change({
    put: checked(table, [route({ uid: "r7", hostnames: ["moved.test"], allowed: true })]),
    removeRoutes: ["r8"],
    removeBarriers: [],
  });
  expect(table.names.lookup("r7.test").kind).toBe("none");
  expect(table.names.lookup("moved.test").kind).toBe("routes");
  expect(table.names.size).toBe(1_999);
});

test("weighs an edit by the names that it goes through, and by who holds them", () => {
  const table = open();
  const many = (uid: string, count: number): Version => ({
    uid,
    hostnames: Array.from({ length: count }, (_, i) => `${uid}-${i}.test`),
    allowed: true,
  });
  const weigh = (versions: Version[], removeRoutes: string[] = []): number =>
    table.weigh({ put: checked(table, versions.map(route)), removeRoutes, removeBarriers: [] }, 10_000);
  expect(weigh([many("a", 1)])).toBeLessThan(5);
  expect(weigh([many("a", 100), many("b", 100)])).toBeGreaterThan(200);
  table.change({ put: checked(table, [route(many("a", 100))]), removeRoutes: [], removeBarriers: [] });
  expect(weigh([many("a", 1)])).toBeGreaterThan(100);
  expect(weigh([], ["a"])).toBeGreaterThan(100);
  // Each of them claims a name of the edit and so is looked at again with all of its own.
  const refused = Array.from({ length: 20 }, (_, i) => {
    const { uid, hostnames } = many(`refused-${i}`, 20);
    return route({ uid, hostnames: [...hostnames, "a-0.test"], allowed: false });
  });
  table.change({ put: checked(table, refused), removeRoutes: [], removeBarriers: [] });
  expect(weigh([{ ...many("a", 1) }])).toBeGreaterThan(500);
});
