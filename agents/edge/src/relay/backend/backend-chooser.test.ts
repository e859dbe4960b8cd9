import { expect, test } from "vitest";
import fc from "fast-check";
import { consistentOrder } from "@helloway/routing/consistent-order";
import { createSharedEntries, SharedEntries } from "../shared/shared-entries.ts";
import { MAIN_THREAD } from "../shared/worker-lock.ts";
import {
  type Balance,
  BackendChooser,
  type BalancedBackend,
  type BalancedRoute,
  type BalancedTier,
} from "./backend-chooser.ts";

type Tier = BalancedTier<BalancedBackend>;

/** Everything of it is of one thread. */
function choosers(workers: number, { random = Math.random, entries = 64 } = {}) {
  const memory = createSharedEntries({ entries, workers });
  return {
    all: Array.from(
      { length: workers },
      (_, worker) => new BackendChooser(new SharedEntries(memory, worker), () => 5_000, random),
    ),
    entries: new SharedEntries(memory, MAIN_THREAD),
  };
}

function tier(weights: Record<string, number>, index = 0): Tier {
  return { index, backends: Object.entries(weights).map(([key, weight]) => ({ key, weight })) };
}

const route = (balance: Balance): BalancedRoute => ({ uid: "r", balance });
const keys = (backends: readonly BalancedBackend[]): string => backends.map(({ key }) => key).join("");

/** Opens so many, each at the first that it is told; by key. */
function open(chooser: BackendChooser, of: BalancedRoute, to: Tier, times: number): Record<string, number> {
  const opened: Record<string, number> = {};
  for (let n = 0; n < times; n++) {
    const first = chooser.order(of, to, "a")[0]!;
    chooser.opened(of, to, first);
    opened[first.key] = (opened[first.key] ?? 0) + 1;
  }
  return opened;
}

const balances: Balance[] = ["roundRobin", "leastConnections", "random", "sourceHash"];

test.each(balances)("%s lists every backend of a tier once", (balance) => {
  const [chooser] = choosers(1).all;
  const weights = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer({ min: 1, max: 1_000 }), { minKeys: 1 });
  fc.assert(
    fc.property(weights, fc.ipV4(), (of, source) => {
      const to = tier(of);
      const order = chooser!.order(route(balance), to, source);
      expect(order.map(({ key }) => key).sort()).toEqual(Object.keys(of).sort());
      chooser!.opened(route(balance), to, order[0]!);
    }),
  );
});

test.each(balances)("%s takes no turn for a tier of one backend", (balance) => {
  const { all, entries } = choosers(1);
  const one = tier({ a: 3 });
  expect(all[0]!.order(route(balance), one, "a")).toBe(one.backends);
  expect(entries.numbers.every((number) => number === 0)).toBe(true);
});

test.each(["leastConnections", "random"] as const)("%s knows what a backend has from when it was alone", (balance) => {
  const chooser = choosers(1).all[0]!;
  const alone = tier({ a: 1 });
  const held = open(chooser, route(balance), alone, 3);
  expect(held).toEqual({ a: 3 });
  for (let n = 0; n < 3; n++) expect(open(chooser, route(balance), tier({ a: 1, b: 1 }), 1)).toEqual({ b: 1 });
});

test("counts those who were open before under their backend's key, and nobody whose backend is gone or whose balance asks for nothing", () => {
  const chooser = choosers(1).all[0]!;
  const tiers = [tier({ a: 1 }), tier({ b: 1, c: 1 }, 1)];
  const loaded = { ...route("leastConnections"), tiers };
  expect(chooser.openedBefore(loaded, "removed")).toBe(-1);
  expect(chooser.openedBefore({ ...loaded, balance: "roundRobin" }, "b")).toBe(-1);
  const entry = chooser.openedBefore(loaded, "b");
  for (let n = 0; n < 4; n++) expect(chooser.order(loaded, tiers[1]!, "a")[0]!.key).toBe("c");
  chooser.closed(entry);
  const first = new Set(Array.from({ length: 4 }, () => chooser.order(loaded, tiers[1]!, "a")[0]!.key));
  expect(first).toEqual(new Set(["b", "c"]));
});

test("roundRobin takes turns over all workers, and after the one whose turn it is come the others in order", () => {
  const { all } = choosers(2);
  const [one, other] = all as [BackendChooser, BackendChooser];
  // Each worker has its own copy of the table.
  const [first, second] = [tier({ a: 1, b: 1, c: 1 }), tier({ a: 1, b: 1, c: 1 })];
  const told = Array.from({ length: 3 }, () => [
    keys(one.order(route("roundRobin"), first, "a")),
    keys(other.order(route("roundRobin"), second, "a")),
  ]);
  expect(told.flat()).toEqual(["abc", "bca", "cab", "abc", "bca", "cab"]);
});

test("roundRobin gives every backend exactly its weight's share of a round, whichever workers take the turns", () => {
  const { all } = choosers(3);
  const tiers = all.map(() => tier({ a: 5, b: 1, c: 4 }));
  const had: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 100; n++) had[all[(n * n) % 3]!.order(route("roundRobin"), tiers[(n * n) % 3]!, "a")[0]!.key]!++;
  expect(had).toEqual({ a: 50, b: 10, c: 40 });
});

test("each tier and each route has turns of its own", () => {
  const chooser = choosers(1).all[0]!;
  const [first, second] = [tier({ a: 1, b: 1 }, 0), tier({ a: 1, b: 1 }, 1)];
  const told = [
    chooser.order(route("roundRobin"), first, "a"),
    chooser.order(route("roundRobin"), second, "a"),
    chooser.order({ uid: "s", balance: "roundRobin" }, tier({ a: 1, b: 1 }), "a"),
    chooser.order(route("roundRobin"), first, "a"),
  ];
  expect(told.map(keys)).toEqual(["ab", "ab", "ab", "ba"]);
});

test("roundRobin goes on from where it was when a tier is edited", () => {
  const chooser = choosers(1).all[0]!;
  chooser.order(route("roundRobin"), tier({ a: 1, b: 1 }), "a");
  expect(keys(chooser.order(route("roundRobin"), tier({ a: 1, b: 1, c: 1 }), "a"))).toBe("bca");
});

test("workers take turns by themselves where the table has no place for more", () => {
  const { all } = choosers(1, { entries: 32 });
  const chooser = all[0]!;
  const full = tier(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, 1])));
  for (const backend of full.backends) chooser.opened(route("leastConnections"), full, backend);
  const of: BalancedRoute = { uid: "another", balance: "roundRobin" };
  const to = tier({ a: 1, b: 1 });
  expect(Array.from({ length: 4 }, () => chooser.order(of, to, "a")[0]!.key).join("")).toBe("abab");
});

test("leastConnections goes where fewest are open per weight, those of other workers included", () => {
  const { all } = choosers(2);
  const [one, other] = all as [BackendChooser, BackendChooser];
  const of = route("leastConnections");
  const to = tier({ a: 2, b: 1, c: 1 });
  const [a, b, c] = to.backends as [BalancedBackend, BalancedBackend, BalancedBackend];
  for (const backend of [a, a, a, b]) other.opened(of, to, backend);
  const entry = one.opened(of, to, c);
  one.opened(of, to, c);
  expect(keys(one.order(of, to, "a"))).toBe("bac");
  one.closed(entry);
  one.closed(one.opened(of, to, b));
  other.opened(of, to, b);
  expect(keys(one.order(of, to, "a"))).toBe("cab");
});

test("leastConnections fills backends by weight, and takes turns by weight while none is open", () => {
  const { all } = choosers(1);
  const of = route("leastConnections");
  expect(open(all[0]!, of, tier({ a: 5, b: 3, c: 2 }), 100)).toEqual({ a: 50, b: 30, c: 20 });
  const idle = tier({ x: 2, y: 1 }, 1);
  expect(
    Array.from({ length: 6 }, () => all[0]!.order(of, idle, "a")[0]!.key)
      .sort()
      .join(""),
  ).toBe("xxxxyy");
});

test("random draws by weight, and takes the less loaded of the two that it drew", () => {
  const draws: number[] = [];
  const { all } = choosers(1, { random: () => draws.shift()! });
  const of = route("random");
  const to = tier({ a: 6, b: 3, c: 1 });
  const drawn = (first: number, second: number): string => {
    draws.push(first, second);
    return keys(all[0]!.order(of, to, "a"));
  };
  expect(drawn(0.59, 0.7)).toBe("abc");
  expect(drawn(0.61, 0.9)).toBe("bca");
  expect(drawn(0.95, 0.1)).toBe("cab");
  all[0]!.opened(of, to, to.backends[0]!);
  expect(drawn(0.1, 0.1)).toBe("bac");
  for (let n = 0; n < 2; n++) all[0]!.opened(of, to, to.backends[1]!);
  expect(drawn(0.1, 0.1)).toBe("abc");
});

test("random keeps many open connections close to the weights", () => {
  const opened = open(choosers(1).all[0]!, route("random"), tier({ a: 2, b: 1, c: 1 }), 4_000);
  for (const [key, share] of [
    ["a", 2_000],
    ["b", 1_000],
    ["c", 1_000],
  ] as const) {
    expect(Math.abs(opened[key]! - share)).toBeLessThan(100);
  }
});

test("sourceHash is the consistent order of the source, in every worker", () => {
  const { all } = choosers(2);
  const to = tier({ a: 2, b: 1, c: 1 });
  for (let n = 0; n < 50; n++) {
    const expected = consistentOrder(`192.0.2.${n}`, to.backends).map((index) => to.backends[index]!);
    for (const chooser of all) expect(chooser.order(route("sourceHash"), to, `192.0.2.${n}`)).toEqual(expected);
  }
});

test("counts connections where the balance asks for them, under the backend's key whatever tier it is in by now", () => {
  const chooser = choosers(1).all[0]!;
  const to = tier({ a: 1, b: 1 });
  for (const balance of ["roundRobin", "sourceHash"] as const) {
    expect(chooser.opened(route(balance), to, to.backends[0]!)).toBe(-1);
  }
  const long = "x".repeat(250);
  const edited = tier({ [`${long}:1`]: 1, [`${long}:2`]: 1 });
  chooser.opened(route("leastConnections"), edited, edited.backends[0]!);
  const again = tier({ [`${long}:2`]: 1, [`${long}:1`]: 1 }, 1);
  for (let n = 0; n < 4; n++) expect(chooser.order(route("leastConnections"), again, "a")[0]!.key).toBe(`${long}:2`);
});
