import fc from "fast-check";
import { expect, test } from "vitest";
import { ShardedMap } from "./sharded-map.ts";

test("it answers as a map does, after any additions and removals", () => {
  const step = fc.record({ key: fc.nat(200).map(String), value: fc.option(fc.nat(), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 500, size: "max" }), (steps) => {
      const sharded = new ShardedMap<number>();
      const map = new Map<string, number>();
      for (const { key, value } of steps) {
        if (value === undefined) expect(sharded.delete(key)).toBe(map.delete(key));
        else {
          sharded.set(key, value);
          map.set(key, value);
        }
        expect(sharded.size).toBe(map.size);
      }
      for (let key = 0; key <= 200; key++) {
        expect(sharded.has(String(key))).toBe(map.has(String(key)));
        expect(sharded.get(String(key))).toBe(map.get(String(key)));
      }
      expect([...sharded.keys()].toSorted()).toEqual([...map.keys()].toSorted());
      expect([...sharded.values()].toSorted()).toEqual([...map.values()].toSorted());
    }),
  );
});
