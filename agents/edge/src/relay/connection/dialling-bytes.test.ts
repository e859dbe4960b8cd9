import fc from "fast-check";
import { expect, test } from "vitest";
import { DiallingBytes, type DiallingPlace } from "./dialling-bytes.ts";

const MAX = 1_000;

test("is never over its bound, keeps the latest, and has everything back when all have left", () => {
  const step = fc.record({ client: fc.nat(9), bytes: fc.option(fc.nat(MAX)) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const budget = new DiallingBytes(MAX);
      /** The oldest first. */
      const expected = new Map<number, number>();
      const places = new Map<number, DiallingPlace>();
      const crowdedOut: number[] = [];
      for (const { client, bytes } of steps) {
        if (bytes === null) {
          const place = places.get(client);
          // Twice: whoever is second has nothing to give back.
          if (place) for (let i = 0; i < 2; i++) budget.remove(place);
          expected.delete(client);
          places.delete(client);
          continue;
        }
        const place = places.get(client) ?? budget.add({ crowdedOut: () => crowdedOut.push(client) });
        places.set(client, place);
        budget.hold(place, bytes);
        expected.set(client, bytes);
        const due: number[] = [];
        for (const each of expected.keys()) {
          if (sum(expected) <= MAX) break;
          expected.delete(each);
          due.push(each);
        }
        expect(crowdedOut.splice(0)).toEqual(due);
        for (const each of due) places.delete(each);
        expect(budget.bytes).toBe(sum(expected));
      }
      for (const place of places.values()) budget.remove(place);
      expect(budget.bytes).toBe(0);
    }),
  );
});

test("lets those who are crowded out leave by themselves, and whomever they take along", () => {
  const budget = new DiallingBytes(MAX);
  const second = budget.add({ crowdedOut: () => expect.fail("it has left already") });
  const first: DiallingPlace = budget.add({
    crowdedOut() {
      budget.remove(first);
      budget.remove(second);
    },
  });
  budget.hold(first, 600);
  budget.remove(second);
  const third = budget.add({ crowdedOut: () => expect.fail("there is room for it") });
  budget.hold(third, 700);
  expect(budget.bytes).toBe(700);
});

function sum(held: ReadonlyMap<number, number>): number {
  return [...held.values()].reduce((total, each) => total + each, 0);
}
