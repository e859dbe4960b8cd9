import fc from "fast-check";
import { expect, test } from "vitest";
import { duration, formatDuration, parseDuration } from "./duration.ts";

test.each([
  ["5s", 5000],
  ["1m30s", 90_000],
  ["90s", 90_000],
  ["10m", 600_000],
  ["8760h", 31_536_000_000],
  ["250ms", 250],
  ["1s500ms", 1500],
  ["1h2m3s4ms", 3_723_004],
  ["0s", 0],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "5", "s", "1.5s", "-5s", "5 s", "5S", "30s1m", "1m1m", "1d", "5s ", "٥s", "99999999999h"])(
  "%j is no duration",
  (text) => {
    expect(parseDuration(text)).toBeNull();
  },
);

test.each([
  [90_000, "1m30s"],
  [600_000, "10m"],
  [31_536_000_000, "8760h"],
  [60_000, "1m"],
  [1500, "1s500ms"],
  [0, "0s"],
])("%d ms is written %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("what is written reads back the same", () => {
  fc.assert(fc.property(fc.nat(4_000_000_000), (ms) => parseDuration(formatDuration(ms)) === ms));
});

test("a field keeps to its bounds and says them", () => {
  const field = duration({ min: "1s", max: "1m" }, "A field.");
  expect(field.parse("1m")).toBe(60_000);
  expect(field.safeParse("999ms").error?.issues[0]).toMatchObject({
    message: "Between 1s and 1m.",
    params: { code: "out_of_range" },
  });
  expect(field.safeParse("tomorrow").error?.issues[0]).toMatchObject({ params: { code: "bad_duration" } });
});
