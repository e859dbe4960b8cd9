import { expect, test } from "vitest";
import fc from "fast-check";
import { WeightedTurns } from "./weighted-turns.ts";

/** Whose the first turns are, as letters. */
function turns(weights: readonly number[], count: number): string {
  const of = new WeightedTurns(weights);
  return Array.from({ length: count }, (_, turn) => "abcdefgh"[of.at(turn)]).join("");
}

test("takes equals in their order, whatever their weight", () => {
  expect(turns([1, 1, 1], 6)).toBe("abcabc");
  expect(turns([300, 300], 4)).toBe("abab");
  expect(turns([7], 2)).toBe("aa");
});

test("spreads the turns of the heavy between those of the light", () => {
  expect(turns([2, 1], 6)).toBe("abaaba");
  expect(turns([3, 1], 8)).toBe("abaaabaa");
});

test("divides by what all weights have in common", () => {
  expect(new WeightedTurns([1_000, 500, 250]).period).toBe(7);
});

const weights = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 64, size: "max" });

test("gives everyone exactly its weight's turns in a period, and at any moment within eight turns of its share", () => {
  fc.assert(
    fc.property(weights, (of) => {
      const turns = new WeightedTurns(of);
      const total = of.reduce((all, weight) => all + weight, 0);
      const had = of.map(() => 0);
      let furthest = 0;
      for (let turn = 0; turn < turns.period; turn++) {
        const index = turns.at(turn);
        had[index]!++;
        furthest = Math.max(furthest, had[index]! - ((turn + 1) * of[index]!) / total);
      }
      expect(had).toEqual(of.map((weight) => (weight * turns.period) / total));
      expect(furthest).toBeLessThan(8);
    }),
    { numRuns: 30 },
  );
});

test("draws everyone with its weight's chance", () => {
  const of = new WeightedTurns([6, 3, 1]);
  const drawn = [0, 0, 0];
  for (let n = 0; n < 1_000; n++) drawn[of.draw(n / 1_000)]!++;
  expect(drawn).toEqual([600, 300, 100]);
});
