import fc from "fast-check";
import { expect, test } from "vitest";
import { consistentOrder } from "./consistent-order.ts";

const backend = fc.record({ key: fc.string({ minLength: 1 }), weight: fc.integer({ min: 1, max: 1000 }) });
const backends = fc.uniqueArray(backend, { minLength: 1, maxLength: 12, selector: ({ key }) => key });

function keysInOrder(key: string, list: readonly { key: string; weight: number }[]): string[] {
  return consistentOrder(key, list).map((i) => list[i]!.key);
}

test("every backend comes once, in an order that the list's own does not change", () => {
  fc.assert(
    fc.property(fc.string(), backends, (key, list) => {
      const order = keysInOrder(key, list);
      expect(order.toSorted()).toEqual(list.map((each) => each.key).toSorted());
      expect(keysInOrder(key, list.toReversed())).toEqual(order);
    }),
  );
});

test("taking a backend away leaves the order of the others", () => {
  fc.assert(
    fc.property(fc.string(), backends, fc.nat(), (key, list, at) => {
      const gone = list[at % list.length]!.key;
      const left = list.filter((each) => each.key !== gone);
      expect(keysInOrder(key, left)).toEqual(keysInOrder(key, list).filter((each) => each !== gone));
    }),
  );
});

test("a greater weight never moves a backend back", () => {
  fc.assert(
    fc.property(fc.string(), backends, fc.nat(), (key, list, at) => {
      const raised = list[at % list.length]!.key;
      const more = list.map((each) => (each.key === raised ? { ...each, weight: each.weight * 2 } : each));
      expect(keysInOrder(key, more).indexOf(raised)).toBeLessThanOrEqual(keysInOrder(key, list).indexOf(raised));
    }),
  );
});

test("shares follow weights, of neighbouring addresses too", () => {
  const list = [1, 2, 3, 4].map((weight) => ({ key: `192.0.2.${weight}:443`, weight }));
  const first = [0, 0, 0, 0];
  const second = [0, 0, 0, 0];
  const keys = 40_000;
  for (let i = 0; i < keys; i++) {
    const order = consistentOrder(`10.0.${i >> 8}.${i & 255}`, list);
    first[order[0]!]!++;
    if (order[0] === 3) second[order[1]!]!++;
  }
  // Four standard deviations of a share are at most 1%.
  for (const [i, { weight }] of list.entries()) expect(Math.abs(first[i]! / keys - weight / 10)).toBeLessThan(0.01);
  const spilled = first[3]!;
  for (const i of [0, 1, 2]) expect(Math.abs(second[i]! / spilled - list[i]!.weight / 6)).toBeLessThan(0.016);
});

test("the order is the same on every machine and in every version", () => {
  const list = ["a", "b", "c", "d", "e"].map((name, i) => ({ key: `${name}.test:443`, weight: 1 + i }));
  const orders = ["192.0.2.1", "192.0.2.2", "2001:db8::/64", ""].map((key) => consistentOrder(key, list).join(""));
  expect(orders).toEqual(["14230", "23401", "34120", "34210"]);
});
