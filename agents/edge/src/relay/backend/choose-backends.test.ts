import { expect, test } from "vitest";
import type { ServedBackend, Tier } from "../table/served-route.ts";
import { chooseBackends } from "./choose-backends.ts";

function tier(weights: Record<string, number>): Tier {
  const backends = Object.entries(weights).map(([key, weight]): ServedBackend => ({
    key,
    host: key,
    port: 1,
    address: null,
    weight,
    credit: 0,
  }));
  return { backends };
}

const firsts = (of: Tier, turns: number): string =>
  Array.from({ length: turns }, () => chooseBackends(of)[0]!.key).join("");

test("gives every backend its weight's share in each round, spread over the round", () => {
  expect(firsts(tier({ a: 5, b: 1, c: 1 }), 14)).toBe("aabacaaaabacaa");
});

test("alternates between equals", () => {
  expect(firsts(tier({ a: 1, b: 1 }), 4)).toBe("abab");
});

test("lists every backend once, beginning with the one whose turn it is", () => {
  const of = tier({ a: 1, b: 1, c: 1 });
  chooseBackends(of);
  expect(chooseBackends(of).map(({ key }) => key)).toEqual(["b", "c", "a"]);
});
