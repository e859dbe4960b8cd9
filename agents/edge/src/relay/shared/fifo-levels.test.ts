import fc from "fast-check";
import { expect, test } from "vitest";
import { createFifoLevels, FifoLevels } from "./fifo-levels.ts";

test("has first what has been longest in the highest list, whatever came, changed and went", () => {
  const step = fc.record({ entry: fc.nat(9), level: fc.nat(7) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const levels = new FifoLevels(createFifoLevels(10, 5));
      const lists: number[][] = Array.from({ length: 6 }, () => []);
      for (const { entry, level } of steps) {
        const to = Math.min(level, 5);
        levels.place(entry, level);
        if (!lists[to]!.includes(entry)) {
          for (const list of lists) if (list.includes(entry)) list.splice(list.indexOf(entry), 1);
          lists[to]!.push(entry);
        }
        const highest = lists.findLast((list, at) => at > 0 && list.length > 0);
        expect(levels.first()).toBe(highest?.[0] ?? -1);
      }
      levels.clear();
      expect(levels.first()).toBe(-1);
    }),
  );
});
