import { expect, test } from "vitest";
import { FailedAddresses } from "./failed-addresses.ts";

function at(start: number) {
  const clock = { now: start };
  return { clock, failed: new FailedAddresses(() => clock.now) };
}

test("an address that failed is passed by for ten seconds, or until it has answered", () => {
  const { clock, failed } = at(5_000);
  failed.failed("192.0.2.1 443");
  failed.failed("192.0.2.2 443");
  clock.now += 9_999;
  expect(failed.has("192.0.2.1 443")).toBe(true);
  failed.answered("192.0.2.1 443");
  expect(failed.has("192.0.2.1 443")).toBe(false);
  expect(failed.has("192.0.2.2 443")).toBe(true);
  clock.now += 1;
  expect(failed.has("192.0.2.2 443")).toBe(false);
});

test("when its time is over one tries it, and the others pass it by until that one knows", () => {
  const { clock, failed } = at(0);
  failed.failed("192.0.2.1 443");
  clock.now += 10_000;
  expect(failed.has("192.0.2.1 443")).toBe(false);
  failed.trying("192.0.2.1 443");
  expect(failed.has("192.0.2.1 443")).toBe(true);
  failed.failed("192.0.2.1 443");
  clock.now += 9_999;
  expect(failed.has("192.0.2.1 443")).toBe(true);
});

test("to try an address that has not failed leaves it as it is", () => {
  const { failed } = at(0);
  failed.trying("192.0.2.1 443");
  expect(failed.has("192.0.2.1 443")).toBe(false);
  expect(failed.isEmpty).toBe(true);
});

test("forgets those that nobody tries any more, and holds no more than ten thousand", () => {
  const { clock, failed } = at(0);
  for (let i = 0; i < 10_001; i++) failed.failed(`192.0.2.1 ${i}`);
  expect(failed.has("192.0.2.1 0")).toBe(false);
  expect(failed.has("192.0.2.1 1")).toBe(true);
  clock.now += 20_000;
  failed.failed("192.0.2.2 443");
  failed.answered("192.0.2.2 443");
  expect(failed.isEmpty).toBe(true);
});
