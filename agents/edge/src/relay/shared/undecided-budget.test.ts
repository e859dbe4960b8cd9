import { once } from "node:events";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BudgetMemory } from "./budget-sources.ts";
import { forgetUndecided } from "./forget-undecided.ts";
import { type BudgetPlace, createUndecidedBudget, type Undecided, UndecidedBudget } from "./undecided-budget.ts";

const limits = { connectionsMax: 10, bytesMax: 1_000, sourceConnectionsMax: 4, sourceBytesMax: 250 };

/** A connection that leaves when it is evicted, and tells the order of evictions. */
class Waiting implements Undecided {
  readonly source: string;
  place: BudgetPlace | null = null;
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

  grow(bytes: number): void {
    this.#budget.grow(this, bytes);
  }

  releaseBytes(): void {
    this.#budget.releaseBytes(this);
  }

  remove(): void {
    this.#budget.remove(this);
  }
}

/** Workers that hear of each other at once; connections are named by source and number, and go to the workers in turn. */
function setUp(workers: number): { budget: UndecidedBudget; evicted: string[]; add(...names: string[]): Waiting[] } {
  const memory = createUndecidedBudget(workers, limits);
  const budgets: UndecidedBudget[] = [];
  for (let worker = 0; worker < workers; worker++) {
    budgets.push(new UndecidedBudget(memory, worker, (other, source) => budgets[other]!.evictOldest(source)));
  }
  const evicted: string[] = [];
  let turn = 0;
  const add = (...names: string[]): Waiting[] =>
    names.map((name) => {
      const budget = budgets[turn++ % workers]!;
      const each = new Waiting(budget, evicted, name);
      budget.add(each);
      return each;
    });
  return { budget: budgets[0]!, evicted, add };
}

describe.each([1, 2, 3])("connections, by %d workers", (workers) => {
  test("evicts the oldest of the newcomer's own source when that is at its bound", () => {
    const { evicted, add } = setUp(workers);
    add("b1", "a1", "a2", "a3", "a4", "a5");
    expect(evicted).toEqual(["a1"]);
  });

  test("evicts the oldest of the heaviest source when all is full, never the newcomer", () => {
    const { budget, evicted, add } = setUp(workers);
    add("a1", "b1", "b2", "b3", "c1", "c2", "d1", "d2", "e1", "e2");
    add("f1");
    expect(evicted).toEqual(["b1"]);
    expect(budget.connections).toBe(limits.connectionsMax);
  });

  test("evicts the oldest when every source holds one", () => {
    const { evicted, add } = setUp(workers);
    add("a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1");
    add("k1", "l1", "m1");
    expect(evicted).toEqual(["a1", "b1", "c1"]);
  });

  test("forgets those that left", () => {
    const { budget, evicted, add } = setUp(workers);
    const [a1] = add("a1", "a2", "a3", "a4");
    a1!.remove();
    a1!.remove();
    add("a5");
    expect(evicted).toEqual([]);
    expect(budget.connections).toBe(4);
  });
});

describe.each([1, 2, 3])("bytes, by %d workers", (workers) => {
  test("evicts the oldest of a source that holds more than its share", () => {
    const { budget, evicted, add } = setUp(workers);
    const [a1, a2, b1] = add("a1", "a2", "b1");
    a1!.grow(100);
    b1!.grow(240);
    a2!.grow(151);
    expect(evicted).toEqual(["a1"]);
    expect(budget.bytes).toBe(240 + 151);
  });

  test("evicts the oldest of the source that holds most when all is full", () => {
    const { evicted, add } = setUp(workers);
    const sizes = [200, 240, 200, 200];
    const all = add("a1", "b1", "c1", "d1", "e1");
    for (const [index, bytes] of sizes.entries()) all[index]!.grow(bytes);
    all[4]!.grow(161);
    expect(evicted).toEqual(["b1"]);
  });

  test("makes room at once, and by those alone that hold something", () => {
    const { budget, evicted, add } = setUp(workers);
    const [, a2, a3, a4] = add("a1", "a2", "a3", "a4");
    a2!.grow(1);
    a3!.grow(200);
    a4!.grow(240);
    expect(evicted).toEqual(["a2", "a3"]);
    expect(budget.bytes).toBe(240);
  });

  test("lets go of the bytes of a refused connection and keeps counting the connection", () => {
    const { budget, add } = setUp(workers);
    const [a1] = add("a1");
    a1!.grow(100);
    a1!.releaseBytes();
    expect([budget.bytes, budget.connections]).toEqual([0, 1]);
    a1!.remove();
    expect([budget.bytes, budget.connections]).toEqual([0, 0]);
  });
});

test("holds a newcomer for whom another worker has to make room, and the bounds once that worker did", () => {
  const memory = createUndecidedBudget(2, limits);
  const asked: [number, number][] = [];
  const evicted: string[] = [];
  const first = new UndecidedBudget(memory, 0, (worker, source) => asked.push([worker, source]));
  const second = new UndecidedBudget(memory, 1, (worker, source) => asked.push([worker, source]));
  for (const name of ["a1", "a2", "a3", "a4"]) first.add(new Waiting(first, evicted, name));
  second.add(new Waiting(second, evicted, "a5"));
  expect(asked.map(([worker]) => worker)).toEqual([0]);
  expect([first.connections, evicted.length]).toEqual([5, 0]);
  for (const [, source] of [...asked, ...asked]) first.evictOldest(source);
  expect([first.connections, evicted]).toEqual([4, ["a1"]]);
});

test("is never exceeded twice over, however long the worker that has to make room does not come to it", () => {
  const memory = createUndecidedBudget(2, limits);
  const evicted: string[] = [];
  const stuck = new UndecidedBudget(memory, 0, () => undefined);
  const busy = new UndecidedBudget(memory, 1, () => undefined);
  for (const source of "abcde") {
    for (const number of "12") stuck.add(new Waiting(stuck, evicted, source + number));
  }
  for (let newcomer = 0; newcomer < 200; newcomer++) {
    busy.add(new Waiting(busy, evicted, String.fromCharCode(0x100 + newcomer)));
    expect(busy.connections).toBeLessThanOrEqual(2 * limits.connectionsMax);
  }
  expect(evicted).toHaveLength(190);
});

test("comes back to its bounds when the worker that was asked to make room ends", async () => {
  const memory = createUndecidedBudget(2, limits);
  const evicted: string[] = [];
  const stuck = new UndecidedBudget(memory, 0, () => undefined);
  const busy = new UndecidedBudget(memory, 1, () => undefined);
  stuck.add(new Waiting(stuck, evicted, "a0"));
  for (let number = 1; number <= limits.sourceConnectionsMax + 2; number++) {
    busy.add(new Waiting(busy, evicted, `a${number}`));
  }
  expect(evicted).toEqual([]);
  await forgetUndecided(memory, 0);
  busy.relieve();
  expect(evicted).toEqual(["a1", "a2"]);
  expect(busy.connections).toBe(limits.sourceConnectionsMax);
});

interface Known extends Undecided {
  readonly worker: number;
  readonly number: number;
  bytes: number;
}

type Step =
  | { kind: "add"; worker: number; source: number }
  | { kind: "grow" | "release" | "remove"; pick: number; bytes: number }
  | { kind: "deliver"; count: number }
  | { kind: "die"; worker: number };

const workers = 3;
const some = fc.nat(1_000);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("add"), worker: fc.nat(workers - 1), source: fc.nat(6) }) },
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constantFrom("grow", "release", "remove"), pick: some, bytes: fc.nat(200) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("deliver"), count: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("die"), worker: fc.nat(workers - 1) }) },
  ),
  { maxLength: 120 },
);

/** What a plain list says about who may go. */
class Model {
  readonly all: Known[] = [];
  readonly memory: BudgetMemory = createUndecidedBudget(workers, limits);
  readonly budgets: UndecidedBudget[] = [];
  readonly asked: { worker: number; source: number }[] = [];
  #number = 0;
  #newcomer: Known | null = null;

  constructor() {
    for (let worker = 0; worker < workers; worker++) this.#open(worker);
  }

  #open(worker: number): void {
    const ask = (other: number, source: number): unknown => this.asked.push({ worker: other, source });
    this.budgets[worker] = new UndecidedBudget(this.memory, worker, ask);
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case "add":
        return this.#add(step.worker, `192.0.2.${step.source}`);
      case "deliver":
        for (const { worker, source } of this.asked.splice(0, step.count)) this.budgets[worker]!.evictOldest(source);
        return;
      case "die":
        this.#leave((each) => each.worker === step.worker);
        await forgetUndecided(this.memory, step.worker);
        for (const asked of this.asked.splice(0)) if (asked.worker !== step.worker) this.asked.push(asked);
        this.#open(step.worker);
        for (const budget of this.budgets) budget.relieve();
        return;
      default: {
        const picked = this.all[step.pick % this.all.length];
        if (picked) this.#change(step.kind, picked, step.bytes);
      }
    }
  }

  #add(worker: number, source: string): void {
    const added: Known = {
      worker,
      source,
      number: ++this.#number,
      bytes: 0,
      place: null,
      evict: () => this.#evicted(added),
    };
    this.all.push(added);
    this.#newcomer = added;
    this.budgets[worker]!.add(added);
    expect(this.all).toContain(added);
    this.#newcomer = null;
  }

  #change(kind: "grow" | "release" | "remove", picked: Known, bytes: number): void {
    const budget = this.budgets[picked.worker]!;
    if (kind === "grow") {
      picked.bytes += bytes;
      budget.grow(picked, bytes);
    } else if (kind === "release") {
      picked.bytes = 0;
      budget.releaseBytes(picked);
    } else {
      this.#leave((each) => each === picked);
      budget.remove(picked);
    }
  }

  #leave(goes: (each: Known) => boolean): void {
    for (const each of this.all.splice(0)) if (!goes(each)) this.all.push(each);
  }

  /** May this one go? It has to be the oldest of one that holds too much. */
  #evicted(evicted: Known): void {
    const mine = this.all.filter((each) => each.source === evicted.source);
    const bytes = sum(mine);
    const heaviest = Math.max(...[...this.#bySource().values()].map(({ length }) => length));
    const largest = Math.max(...[...this.#bySource().values()].map(sum));
    const oldest = mine[0] === evicted;
    const oldestWithBytes = mine.find((each) => each.bytes > 0) === evicted;
    const allowed = [
      mine.length > limits.sourceConnectionsMax && oldest,
      bytes > limits.sourceBytesMax && oldestWithBytes,
      this.all.length > limits.connectionsMax && mine.length === heaviest && oldest,
      sum(this.all) > limits.bytesMax && bytes >= (7 / 8) * largest && oldestWithBytes,
      this.all.length > 2 * limits.connectionsMax && this.#newcomer?.worker === evicted.worker,
    ];
    expect(allowed).toContain(true);
    expect(evicted).not.toBe(this.#newcomer);
    this.#leave((each) => each === evicted);
    this.budgets[evicted.worker]!.remove(evicted);
  }

  #bySource(): Map<string, Known[]> {
    return Map.groupBy(this.all, ({ source }) => source);
  }

  checkTotals(): void {
    const [budget] = this.budgets;
    expect([budget!.connections, budget!.bytes]).toEqual([this.all.length, sum(this.all)]);
  }

  checkBounds(): void {
    expect(this.all.length).toBeLessThanOrEqual(limits.connectionsMax);
    expect(sum(this.all)).toBeLessThanOrEqual(limits.bytesMax);
    for (const held of this.#bySource().values()) {
      expect(held.length).toBeLessThanOrEqual(limits.sourceConnectionsMax);
      expect(sum(held)).toBeLessThanOrEqual(limits.sourceBytesMax);
    }
  }
}

function sum(held: readonly Known[]): number {
  return held.reduce((bytes, each) => bytes + each.bytes, 0);
}

test("agrees with a plain list on what is held and who may go, workers dying in between", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const model = new Model();
      for (const step of all) {
        await model.step(step);
        model.checkTotals();
      }
      while (model.asked.length > 0) await model.step({ kind: "deliver", count: 1 });
      model.checkTotals();
      model.checkBounds();
    }),
    { numRuns: 300 },
  );
});

test("holds its bounds over four threads, and gives back what a thread held that was ended in the middle", async () => {
  const bounds = { connectionsMax: 100, bytesMax: 20_000, sourceConnectionsMax: 20, sourceBytesMax: 3_000 };
  const memory = createUndecidedBudget(4, bounds);
  const threads: Worker[] = [];
  try {
    for (let worker = 0; worker < 4; worker++) {
      const thread = new Worker(new URL("undecided-budget.fixture.ts", import.meta.url), {
        workerData: { memory, worker },
        execArgv: [],
      });
      threads.push(thread);
      thread.on("message", (message: { worker?: number }) => {
        if (message.worker !== undefined) threads[message.worker]!.postMessage(message);
      });
    }
    const [doomed, ...others] = threads as [Worker, ...Worker[]];
    const reader = new UndecidedBudget(memory, 0, () => undefined);
    await expect.poll(() => reader.connections).toBeGreaterThan(50);
    await doomed.terminate();
    await forgetUndecided(memory, 0);
    for (const thread of others) thread.postMessage({ relieve: true });
    await Promise.all(others.map((thread) => tell(thread, "rest")));
    await expect.poll(() => reader.connections).toBeLessThanOrEqual(bounds.connectionsMax);
    await expect.poll(() => reader.bytes).toBeLessThanOrEqual(bounds.bytesMax);
    // One that is asked to let somebody go may have to ask another.
    await expect
      .poll(async () => {
        const held = await Promise.all(others.map((thread) => tell(thread, "rest")));
        const of = (what: (answer: Answer) => number): number => held.reduce((all, each) => all + what(each), 0);
        const bySource = Array.from({ length: 10 }, (_, source) => of((each) => each.bySource[source]!));
        return {
          connections: reader.connections - of((each) => each.connections),
          bytes: reader.bytes - of((each) => each.bytes),
          sourcesOver: bySource.filter((each) => each > bounds.sourceConnectionsMax),
        };
      })
      .toEqual({ connections: 0, bytes: 0, sourcesOver: [] });
    await Promise.all(others.map((thread) => tell(thread, "leave")));
    expect([reader.connections, reader.bytes]).toEqual([0, 0]);
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
});

interface Answer {
  connections: number;
  bytes: number;
  bySource: number[];
}

async function tell(thread: Worker, command: "rest" | "leave"): Promise<Answer> {
  thread.postMessage({ command });
  for (;;) {
    const [message] = (await once(thread, "message")) as [{ answer?: Answer }];
    if (message.answer) return message.answer;
  }
}
