import { expect } from "vitest";
import type { Counters, ForgottenCounters } from "../relay.ts";

/** By "uid", in which there is no space: [opened, closed, rx, tx]; by "uid backend": [attempts, failures, opened, closed, rx, tx]. */
export type KeptNumbers = Map<string, number[]>;

/** Who keeps the differences of counters, and lets the engine forget. */
export class KeptSums {
  readonly sums: KeptNumbers = new Map();
  readonly #told: KeptNumbers = new Map();

  /** What is told less than before, or no more although it was not forgotten. */
  check(now: Counters): void {
    const numbers = numbersOf(now);
    const less = [...this.#told].filter(([key, told]) =>
      told.some((each, i) => !((numbers.get(key)?.[i] ?? -1) >= each)),
    );
    expect(less).toEqual([]);
  }

  keep(now: Counters): void {
    this.check(now);
    for (const [key, numbers] of numbersOf(now)) {
      const told = this.#told.get(key) ?? [];
      const sums = this.sums.get(key) ?? [];
      this.sums.set(
        key,
        numbers.map((each, i) => (sums[i] ?? 0) + each - (told[i] ?? 0)),
      );
      this.#told.set(key, numbers);
    }
  }

  forget({ routes, backends }: ForgottenCounters): void {
    const uids = new Set(routes);
    for (const key of this.#told.keys()) if (uids.has(key.split(" ", 1)[0]!)) this.#told.delete(key);
    for (const [uid, keys] of backends) for (const key of keys) this.#told.delete(`${uid} ${key}`);
  }

  /** How many differences it has to be able to make. */
  get toldCount(): number {
    return this.#told.size;
  }
}

function numbersOf({ routes }: Counters): KeptNumbers {
  const numbers: KeptNumbers = new Map();
  for (const [uid, { opened, closed, rxBytes, txBytes, backends }] of routes) {
    const closedSum = Object.values(closed).reduce((sum, each) => sum + each, 0);
    numbers.set(uid, [opened, closedSum, rxBytes, txBytes]);
    for (const [key, each] of backends) {
      const { attempts, failures, opened, closed, rxBytes, txBytes } = each;
      numbers.set(`${uid} ${key}`, [attempts, failures, opened, closed, rxBytes, txBytes]);
    }
  }
  return numbers;
}
