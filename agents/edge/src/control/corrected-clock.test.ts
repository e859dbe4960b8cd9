import { expect, test } from "vitest";
import { CorrectedClock } from "./corrected-clock.ts";

test("shows this machine's time until the control plane's is known, then the control plane's", () => {
  let local = 1_000_000;
  const clock = new CorrectedClock(
    () => local,
    () => local,
  );
  expect(clock.now()).toBe(1_000_000);
  clock.observe(1_000_000, 1_000_100, 1_005_050);
  local = 1_000_100;
  expect(clock.offsetMs()).toBe(5_000);
  expect(clock.now()).toBe(1_005_100);
});

test("believes the quickest exchange of the last minutes", () => {
  let local = 0;
  const clock = new CorrectedClock(
    () => local,
    () => local,
  );
  clock.observe(0, 10, 105);
  clock.observe(100, 2_100, 9_000);
  expect(clock.offsetMs()).toBe(100);
  local = 60 * 60_000;
  clock.observe(local - 500, local, local + 250);
  expect(clock.offsetMs()).toBe(500);
});

test("keeps the last offset for as long as there is no newer one", () => {
  let local = 0;
  const clock = new CorrectedClock(
    () => local,
    () => local,
  );
  clock.observe(0, 10, 105);
  local = 24 * 60 * 60_000;
  expect(clock.offsetMs()).toBe(100);
});

test("learns nothing from an exchange during which the clock was set back", () => {
  const clock = new CorrectedClock(
    () => 0,
    () => 0,
  );
  clock.observe(1_000, 500, 9_999);
  expect(clock.offsetMs()).toBe(0);
});

test("forgets what was measured against a clock that was set since, forwards or back", () => {
  let [local, monotonic] = [1_000_000, 0];
  const pass = (ms: number, setBy = 0): void => {
    monotonic += ms;
    local += ms + setBy;
  };
  const clock = new CorrectedClock(
    () => local,
    () => monotonic,
  );
  for (const setBy of [3_600_000, -7_200_000]) {
    clock.observe(local, local, local + 500);
    pass(10_000);
    expect(clock.offsetMs()).toBe(500);
    pass(10_000, setBy);
    expect(clock.offsetMs()).toBe(0);
    // Slower than the one before, which it outlives all the same.
    clock.observe(local - 200, local, local - 100 + 40);
    expect(clock.offsetMs()).toBe(40);
  }
});
