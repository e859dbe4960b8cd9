import fc from "fast-check";
import { expect, test } from "vitest";
import { Pace } from "./pace.ts";
import { sortById } from "./sort-by-id.ts";

test("everything is there, in the order of its id", async () => {
  const ids = fc.uniqueArray(fc.nat(100_000).map(String), { maxLength: 2_000, size: "max" });
  await fc.assert(
    fc.asyncProperty(ids, async (some) => {
      const sorted = await sortById(
        some.map((id) => ({ id })),
        new Pace(),
      );
      expect(sorted.map(({ id }) => id)).toEqual(some.toSorted());
    }),
    { numRuns: 50 },
  );
});
