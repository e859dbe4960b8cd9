import { describe, expect, test } from "vitest";
import { type Undecided, UndecidedBudget } from "./undecided-budget.ts";

const limits = { connectionsMax: 10, bytesMax: 1_000, sourceConnectionsMax: 4, sourceBytesMax: 250 };

/** A connection that leaves when it is evicted, and tells the order of evictions. */
class Waiting implements Undecided {
  readonly source: string;
  readonly #name: string;
  readonly #budget: UndecidedBudget;
  readonly #evicted: string[];

  constructor(budget: UndecidedBudget, evicted: string[], name: string) {
    this.source = name.slice(0, 1);
    this.#name = name;
    this.#budget = budget;
    this.#evicted = evicted;
  }

  evict(): void {
    this.#evicted.push(this.#name);
    this.#budget.remove(this);
  }
}

function setUp(): { budget: UndecidedBudget; evicted: string[]; add(...names: string[]): Map<string, Waiting> } {
  const budget = new UndecidedBudget(limits);
  const evicted: string[] = [];
  const all = new Map<string, Waiting>();
  const add = (...names: string[]): Map<string, Waiting> => {
    for (const name of names) {
      const each = new Waiting(budget, evicted, name);
      all.set(name, each);
      budget.add(each);
    }
    return all;
  };
  return { budget, evicted, add };
}

describe("connections", () => {
  test("evicts the oldest of the newcomer's own source when that is at its bound", () => {
    const { evicted, add } = setUp();
    add("b1", "a1", "a2", "a3", "a4", "a5");
    expect(evicted).toEqual(["a1"]);
  });

  test("evicts the oldest of the heaviest source when all is full, never the newcomer", () => {
    const { budget, evicted, add } = setUp();
    add("a1", "b1", "b2", "b3", "c1", "c2", "d1", "d2", "e1", "e2");
    add("f1");
    expect(evicted).toEqual(["b1"]);
    expect(budget.connections).toBe(limits.connectionsMax);
  });

  test("forgets those that left", () => {
    const { budget, evicted, add } = setUp();
    const all = add("a1", "a2", "a3", "a4");
    budget.remove(all.get("a1")!);
    budget.remove(all.get("a1")!);
    add("a5");
    expect(evicted).toEqual([]);
    expect(budget.connections).toBe(4);
  });
});

describe("bytes", () => {
  test("evicts the oldest of a source that holds more than its share", () => {
    const { budget, evicted, add } = setUp();
    const all = add("a1", "a2", "b1");
    budget.grow(all.get("a1")!, 100);
    budget.grow(all.get("b1")!, 240);
    budget.grow(all.get("a2")!, 151);
    expect(evicted).toEqual(["a1"]);
    expect(budget.bytes).toBe(240 + 151);
  });

  test("evicts the oldest of the source that holds most when all is full", () => {
    const { budget, evicted, add } = setUp();
    const all = add("a1", "b1", "c1", "d1", "e1");
    for (const [name, bytes] of Object.entries({ a1: 200, b1: 240, c1: 200, d1: 200 })) {
      budget.grow(all.get(name)!, bytes);
    }
    budget.grow(all.get("e1")!, 161);
    expect(evicted).toEqual(["b1"]);
  });

  test("makes room at once, and by those alone that hold something", () => {
    const { budget, evicted, add } = setUp();
    const all = add("a1", "a2", "a3", "a4");
    budget.grow(all.get("a2")!, 1);
    budget.grow(all.get("a3")!, 200);
    budget.grow(all.get("a4")!, 240);
    expect(evicted).toEqual(["a2", "a3"]);
    expect(budget.bytes).toBe(240);
  });

  test("lets go of the bytes of a refused connection and keeps counting the connection", () => {
    const { budget, add } = setUp();
    const all = add("a1");
    budget.grow(all.get("a1")!, 100);
    budget.releaseBytes(all.get("a1")!);
    expect([budget.bytes, budget.connections]).toEqual([0, 1]);
    budget.remove(all.get("a1")!);
    expect([budget.bytes, budget.connections]).toEqual([0, 0]);
  });
});
