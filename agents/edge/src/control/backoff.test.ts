import { expect, test } from "vitest";
import { Backoff } from "./backoff.ts";

test("waits anywhere up to a bound that doubles to its maximum, and begins anew after a success", () => {
  let random = 1;
  const backoff = new Backoff({ firstMs: 250, maxMs: 15_000 }, () => random);
  expect(Array.from({ length: 9 }, () => backoff.nextMs())).toEqual([
    250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
  ]);
  random = 0.5;
  expect(backoff.nextMs()).toBe(7_500);
  random = 0;
  expect(backoff.nextMs()).toBe(0);
  backoff.reset();
  random = 1;
  expect(backoff.nextMs()).toBe(250);
});
