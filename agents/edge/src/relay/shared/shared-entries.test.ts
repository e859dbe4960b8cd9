import { expect, test } from "vitest";
import fc from "fast-check";
import { createEdgeClock } from "./edge-clock.ts";
import { createSharedEntries, ENTRY_NUMBERS, REUSE_AFTER_MS, SharedEntries } from "./shared-entries.ts";
import { MAIN_THREAD } from "./worker-lock.ts";

/** One bucket: every key meets every other. */
const ENTRIES = 32;
const START = 5_000;

/** As if each were a thread's. */
function opened(workers: number) {
  const memory = createSharedEntries({ entries: ENTRIES, workers });
  const tables = Array.from({ length: workers }, (_, worker) => new SharedEntries(memory, worker));
  return { memory, tables, main: new SharedEntries(memory, MAIN_THREAD) };
}

/** @param key above 0. */
function add(table: SharedEntries, key: number, now = START): number {
  const index = table.enter(key, key, now);
  if (index === -1) return -1;
  table.add(index);
  table.leave(index);
  return index;
}

function touch(table: SharedEntries, key: number, now = START): number {
  const index = table.enter(key, key, now);
  if (index !== -1) table.leave(index);
  return index;
}

test("counts for all workers what each of them counted", () => {
  const { tables } = opened(3);
  const [index, same, again] = tables.map((table) => add(table, 7));
  expect([same, again]).toEqual([index, index]);
  expect(tables.map((table) => table.count(index!))).toEqual([3, 3, 3]);
  tables[1]!.remove(index!);
  tables[1]!.remove(-1);
  expect(tables[0]!.count(index!)).toBe(2);
});

test("has no place for a key while all of its bucket is in use, and none is lost by that", () => {
  const { tables } = opened(1);
  const table = tables[0]!;
  const indices = Array.from({ length: ENTRIES }, (_, n) => add(table, n + 1));
  expect(new Set(indices).size).toBe(ENTRIES);
  expect(touch(table, 100, START + 10 * REUSE_AFTER_MS)).toBe(-1);
  expect(indices.map((index) => table.count(index))).toEqual(Array.from({ length: ENTRIES }, () => 1));
  table.remove(indices[9]!);
  expect(touch(table, 100, START + 10 * REUSE_AFTER_MS)).toBe(indices[9]);
  expect(table.find(10, 10)).toBe(-1);
});

test("keeps what was used lately, and gives away what has been idle longest", () => {
  const { tables } = opened(1);
  const table = tables[0]!;
  const indices = Array.from({ length: ENTRIES }, (_, n) => touch(table, n + 1, START + n));
  expect(touch(table, 1, START + 500)).toBe(indices[0]);
  expect(touch(table, 100, START + REUSE_AFTER_MS)).toBe(-1);
  expect(touch(table, 100, START + REUSE_AFTER_MS + 5)).toBe(indices[1]);
  expect(table.holds(indices[1]!, 2, 2)).toBe(false);
  expect(table.holds(indices[1]!, 100, 100)).toBe(true);
});

test("takes from a worker that died the lock that it held, and what it had only half counted", () => {
  const { memory, tables, main } = opened(2);
  const [dead, live] = tables as [SharedEntries, SharedEntries];
  const index = add(live, 7);
  add(dead, 7);
  dead.enter(7, 7, START);
  new Int32Array(memory.columns)[index * 2]!++;
  main.forgetWorker(0);
  expect(live.count(index)).toBe(1);
  expect(add(live, 7)).toBe(index);
  expect(live.count(index)).toBe(2);
  expect(add(new SharedEntries(memory, 0), 7)).toBe(index);
  expect(live.count(index)).toBe(3);
});

test("finds again what is in it, in a table of many buckets too", () => {
  const table = new SharedEntries(createSharedEntries({ entries: 4_096, workers: 1 }), 0);
  const places = new Map<string, number>();
  for (let n = 0; n < 1_000; n++) {
    table.hash.ofText(`192.0.${n >> 8}.${n & 255}`);
    const { high, low } = table.hash;
    const index = table.enter(high, low, START);
    table.leave(index);
    places.set(`${high} ${low}`, index);
    expect(table.find(high, low)).toBe(index);
  }
  expect(new Set(places.values()).size).toBe(1_000);
});

const key = fc.integer({ min: 1, max: 48 });
const worker = fc.nat(2);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("add" as const), worker, key }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("remove" as const), pick: fc.nat() }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("touch" as const), worker, key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(1_200) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("die" as const), worker }) },
  ),
  { maxLength: 400, size: "max" },
);

test("agrees with plain lists: a key's entry is its own for as long as it counts or was lately used", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const { tables, main } = opened(3);
      let held: { worker: number; key: number; index: number }[] = [];
      const usedAt = new Map<number, number>();
      let now = START;
      const counted = (of: number): number => held.filter((each) => each.key === of).length;
      const isKept = (of: number): boolean => counted(of) > 0 || now - usedAt.get(of)! < REUSE_AFTER_MS;
      const enter = (by: number, of: number, adds: boolean): void => {
        const table = tables[by]!;
        const index = table.enter(of, of, now);
        const kept = [...usedAt.keys()].filter(isKept);
        if (index === -1) {
          expect(kept.length).toBe(ENTRIES);
          expect(kept).not.toContain(of);
          return;
        }
        expect(table.count(index)).toBe(counted(of));
        const marks = kept.includes(of) ? [of] : [0, of];
        expect(marks).toContain(table.numbers[index * ENTRY_NUMBERS]);
        table.numbers[index * ENTRY_NUMBERS] = of;
        if (adds) table.add(index);
        table.leave(index);
        if (adds) held.push({ worker: by, key: of, index });
        usedAt.set(of, now);
      };
      for (const step of all) {
        if (step.kind === "wait") now += step.ms;
        else if (step.kind === "add") enter(step.worker, step.key, true);
        else if (step.kind === "touch") enter(step.worker, step.key, false);
        else if (step.kind === "die") {
          held = held.filter((each) => each.worker !== step.worker);
          main.forgetWorker(step.worker);
        } else if (held.length > 0) {
          const [gone] = held.splice(step.pick % held.length, 1);
          tables[gone!.worker]!.remove(gone!.index);
        }
        for (const each of held) expect(main.count(each.index)).toBe(counted(each.key));
      }
    }),
    { numRuns: 60 },
  );
});

test("reads one clock, whichever of its readers is asked", () => {
  const [one, other] = [createEdgeClock(), createEdgeClock()];
  const [seconds, nanoseconds] = process.hrtime();
  const read = [one(), other()];
  const [laterSeconds, laterNanoseconds] = process.hrtime();
  for (const each of read) {
    // The distance between the clocks was measured to within half of the time that measuring took.
    expect(each).toBeGreaterThan(seconds * 1e3 + nanoseconds / 1e6 - 100);
    expect(each).toBeLessThan(laterSeconds * 1e3 + laterNanoseconds / 1e6 + 100);
  }
});
