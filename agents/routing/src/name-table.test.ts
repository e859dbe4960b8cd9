import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BarrierNames, type Lookup, NameTable, type NameTableEdit, type RouteNames } from "./name-table.ts";

type Route = RouteNames;

const route = (uid: string, hostnames: string[], wildcardDepth: "any" | "one" = "any"): Route => ({
  uid,
  hostnames,
  wildcardDepth,
});
const nothing: NameTableEdit<Route> = { put: [], remove: [], putBarriers: [], removeBarriers: [] };

function tableOf(put: Route[], putBarriers: BarrierNames[] = []): NameTable<Route> {
  const table = new NameTable<Route>();
  table.change({ ...nothing, put, putBarriers });
  return table;
}

function uids(found: Lookup<Route>): string[] {
  return found.kind === "routes" ? found.routes.map((each) => each.uid) : [];
}

describe("precedence", () => {
  const table = tableOf([
    route("exact", ["a.b.test"]),
    route("near", ["*.b.test"]),
    route("far", ["*.test"]),
    route("one", ["*.one.test"], "one"),
  ]);

  test.each([
    ["a.b.test", "exact"],
    ["x.b.test", "near"],
    ["x.a.b.test", "near"],
    ["b.test", "far"],
    ["x.one.test", "one"],
    ["y.x.one.test", "far"],
    ["one.test", "far"],
  ])("%s goes to %s", (name, uid) => {
    expect(uids(table.lookup(name))).toEqual([uid]);
  });

  test.each(["test", "other", "test.other", "", "constructor", "__proto__"])("%s goes nowhere", (name) => {
    expect(table.lookup(name)).toEqual({ kind: "none" });
  });

  test("the answer names the hostname that decided", () => {
    expect(table.lookup("x.b.test")).toMatchObject({ kind: "routes", hostname: "*.b.test" });
  });

  test("a name of 127 labels is looked up", () => {
    const labels = Array<string>(126).fill("a").join(".");
    const deep = tableOf([route("r", ["*.test"]), route("s", [`*.${labels}`])]);
    expect(uids(deep.lookup(`${labels}.test`.slice(2)))).toEqual(["r"]);
    expect(uids(deep.lookup(`x.${labels}`))).toEqual(["s"]);
  });
});

describe("barriers", () => {
  const wildcard = route("w", ["*.test"]);
  const tree = { id: "1", name: "b.test", tree: true };

  test("a tree keeps the wildcard above it from its name and from all below", () => {
    const table = tableOf([wildcard], [tree]);
    for (const name of ["b.test", "a.b.test", "x.a.b.test"]) {
      expect(table.lookup(name)).toEqual({ kind: "barrier", name: "b.test" });
    }
    expect(uids(table.lookup("c.test"))).toEqual(["w"]);
  });

  test("an exact one keeps it from its name alone", () => {
    const table = tableOf([wildcard], [{ ...tree, tree: false }]);
    expect(table.lookup("b.test").kind).toBe("barrier");
    expect(uids(table.lookup("a.b.test"))).toEqual(["w"]);
  });

  test("one with a wildcard for a name keeps it from what is below, not from the name", () => {
    const table = tableOf([wildcard], [{ id: "1", name: "*.b.test", tree: false }]);
    expect(uids(table.lookup("b.test"))).toEqual(["w"]);
    expect(table.lookup("a.b.test").kind).toBe("barrier");
    expect(table.lookup("x.a.b.test").kind).toBe("barrier");
  });

  test("routes at or below a barrier's name are served", () => {
    const own = route("own", ["b.test", "*.c.b.test"]);
    const table = tableOf([wildcard, own], [tree]);
    expect(uids(table.lookup("b.test"))).toEqual(["own"]);
    expect(uids(table.lookup("x.c.b.test"))).toEqual(["own"]);
    expect(table.lookup("a.b.test").kind).toBe("barrier");
  });

  test("a name too deep for a wildcard of one label meets the barrier beside it", () => {
    const table = tableOf([wildcard, route("own", ["*.b.test"], "one")], [tree]);
    expect(uids(table.lookup("a.b.test"))).toEqual(["own"]);
    expect(table.lookup("x.a.b.test")).toEqual({ kind: "barrier", name: "b.test" });
  });

  test("two at one name: removing one leaves the other", () => {
    const table = tableOf([wildcard], [tree, { id: "2", name: "b.test", tree: false }]);
    table.change({ ...nothing, removeBarriers: ["1"] });
    expect(table.lookup("b.test").kind).toBe("barrier");
    expect(uids(table.lookup("a.b.test"))).toEqual(["w"]);
    table.change({ ...nothing, removeBarriers: ["2", "unknown"] });
    expect(uids(table.lookup("b.test"))).toEqual(["w"]);
  });
});

describe("changes", () => {
  test("several routes may hold one hostname, and come ordered by uid", () => {
    const table = tableOf([route("b", ["x.test"]), route("a", ["x.test"]), route("c", ["x.test"])]);
    expect(uids(table.lookup("x.test"))).toEqual(["a", "b", "c"]);
  });

  test("of routes on one wildcard, only those of any depth cover a deeper name", () => {
    const table = tableOf([route("a", ["*.test"], "one"), route("b", ["*.test"])]);
    expect(uids(table.lookup("x.test"))).toEqual(["a", "b"]);
    expect(uids(table.lookup("y.x.test"))).toEqual(["b"]);
  });

  test("a put replaces the route of that uid, its lost hostnames included", () => {
    const table = tableOf([route("a", ["x.test", "y.test"])]);
    table.change({ ...nothing, put: [route("a", ["y.test", "z.test", "z.test"])] });
    expect(["x", "y", "z"].map((name) => table.lookup(`${name}.test`).kind)).toEqual(["none", "routes", "routes"]);
    expect(table.size).toBe(1);
  });

  test("a hostname goes from one route to another in one change, whatever the order", () => {
    const table = tableOf([route("a", ["x.test"]), route("b", [])]);
    table.change({ ...nothing, put: [route("b", ["x.test"])], remove: ["a"] });
    expect(uids(table.lookup("x.test"))).toEqual(["b"]);
    table.change({ ...nothing, put: [route("b", ["x.test"])], remove: ["b"] });
    expect(uids(table.lookup("x.test"))).toEqual(["b"]);
  });

  test("an answer handed out before a change is not touched by it", () => {
    const table = tableOf([route("a", ["x.test"])]);
    const before = table.lookup("x.test");
    table.change({ ...nothing, put: [route("b", ["x.test"])] });
    expect(uids(before)).toEqual(["a"]);
    expect(uids(table.lookup("x.test"))).toEqual(["a", "b"]);
  });
});

describe("for any table", () => {
  const anyLabel = fc.constantFrom("a", "b", "c");
  const anyName = fc.array(anyLabel, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  const anyHostname = fc.tuple(fc.boolean(), anyName).map(([wildcard, name]) => (wildcard ? `*.${name}` : name));
  const anyRoute: fc.Arbitrary<Route> = fc.record({
    uid: fc.constantFrom("1", "2", "3", "4", "5"),
    hostnames: fc.array(anyHostname, { maxLength: 3 }),
    wildcardDepth: fc.constantFrom("any", "one"),
  });
  const anyBarrier: fc.Arbitrary<BarrierNames> = fc.record({
    id: fc.constantFrom("1", "2", "3"),
    name: anyHostname,
    tree: fc.boolean(),
  });
  const anyEdit: fc.Arbitrary<NameTableEdit<Route>> = fc.record({
    put: fc.array(anyRoute, { maxLength: 3 }),
    remove: fc.array(fc.constantFrom("1", "2", "3", "4", "5"), { maxLength: 2 }),
    putBarriers: fc.array(anyBarrier, { maxLength: 2 }),
    removeBarriers: fc.array(fc.constantFrom("1", "2", "3"), { maxLength: 2 }),
  });
  const anyLookedUp = fc
    .array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 6 })
    .map((labels) => labels.join("."));

  test("the answer is that of the rules read literally, after any changes", () => {
    fc.assert(
      fc.property(
        fc.array(anyEdit, { maxLength: 6 }),
        fc.array(anyLookedUp, { minLength: 5, maxLength: 20 }),
        (edits, names) => {
          const table = new NameTable<Route>();
          const routes = new Map<string, Route>();
          const barriers = new Map<string, BarrierNames>();
          for (const edit of edits) {
            table.change(edit);
            for (const uid of edit.remove) routes.delete(uid);
            for (const id of edit.removeBarriers) barriers.delete(id);
            for (const each of edit.put) routes.set(each.uid, each);
            for (const each of edit.putBarriers) barriers.set(each.id, each);
          }
          const rebuilt = tableOf([...routes.values()], [...barriers.values()]);
          expect(table.size).toBe(routes.size);
          for (const name of names) {
            const found = table.lookup(name);
            expect(found, name).toEqual(literally(name, [...routes.values()], [...barriers.values()]));
            expect(rebuilt.lookup(name), name).toEqual(found);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** The rules, level by level, with no index. */
function literally(name: string, routes: Route[], barriers: BarrierNames[]): Lookup<Route> {
  const answer = (
    hostname: string,
    at: string,
    holds: (each: Route) => boolean,
    bars: (each: BarrierNames) => boolean,
  ) => {
    const found = routes.filter((each) => each.hostnames.includes(hostname) && holds(each));
    found.sort((a, b) => (a.uid < b.uid ? -1 : 1));
    if (found.length > 0) return { kind: "routes", hostname, routes: found } as const;
    return barriers.some(bars) ? ({ kind: "barrier", name: at } as const) : null;
  };
  const here = answer(
    name,
    name,
    () => true,
    (each) => each.name === name,
  );
  if (here) return here;
  const labels = name.split(".");
  for (let depth = 1; depth < labels.length; depth++) {
    const base = labels.slice(depth).join(".");
    const found = answer(
      `*.${base}`,
      base,
      (each) => depth === 1 || each.wildcardDepth === "any",
      (each) => each.name === `*.${base}` || (each.tree && each.name === base),
    );
    if (found) return found;
  }
  return { kind: "none" };
}
