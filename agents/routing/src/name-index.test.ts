import fc from "fast-check";
import { expect, test } from "vitest";
import { nameHash } from "./name-hash.ts";
import { NameIndex } from "./name-index.ts";

interface Thing {
  readonly name: string;
  readonly number: number;
}

test("after any additions and removals it finds what a map would, and nothing else", () => {
  // Few enough names that most are added and removed many times, and enough that shards grow.
  const name = fc.nat(5_000).map((number) => `${number}.test`);
  const step = fc.record({ name, remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6_000, size: "max" }), (steps) => {
      const index = new NameIndex<Thing>();
      const map = new Map<string, Thing>();
      for (const [number, each] of steps.entries()) {
        if (each.remove) {
          index.delete(each.name);
          map.delete(each.name);
        } else if (!map.has(each.name)) {
          const thing = { name: each.name, number };
          index.add(thing);
          map.set(each.name, thing);
        }
      }
      for (let number = 0; number <= 5_000; number++) {
        expect(index.get(`${number}.test`)).toBe(map.get(`${number}.test`));
      }
    }),
    { numRuns: 20 },
  );
});

test("removals close the row of names that fell to one place", () => {
  // A shard of eight places has at most four taken: of these some are bound to stand in a row, in every order of removal.
  for (let round = 0; round < 200; round++) {
    const names = inOneShard(4, round);
    const index = new NameIndex<Thing>();
    for (const [number, each] of names.entries()) index.add({ name: each, number });
    const [gone, ...left] = fc.sample(fc.shuffledSubarray(names, { minLength: 4 }), 1)[0]!;
    index.delete(gone!);
    expect(index.get(gone!)).toBeUndefined();
    for (const each of left) expect(index.get(each)?.name).toBe(each);
  }
});

test("a name is found as the end of a longer one", () => {
  const index = new NameIndex<Thing>();
  index.add({ name: "example.test", number: 1 });
  expect(index.find("www.example.test", 4, nameHash("example.test"))?.number).toBe(1);
  expect(index.find("www.example.test", 0, nameHash("www.example.test"))).toBeUndefined();
  // The same hash alone is no match.
  expect(index.find("www.another.test", 4, nameHash("example.test"))).toBeUndefined();
});

function inOneShard(count: number, seed: number): string[] {
  const names: string[] = [];
  for (let number = 0; names.length < count; number++) {
    const name = `${seed}-${number}`;
    if (nameHash(name) >>> 24 === 7) names.push(name);
  }
  return names;
}
