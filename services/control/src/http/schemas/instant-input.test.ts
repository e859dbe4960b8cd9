import { expect, test } from "vitest";
import { instantInput } from "./instant-input.ts";

test.each([
  ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
  ["2026-11-23T20:00:00.123456789+01:00", "2026-11-23T19:00:00.123Z"],
  ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"],
])("%s is an instant", (text, instant) => {
  expect(instantInput.parse(text).toISOString()).toBe(instant);
});

test.each(["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])(
  "%s is refused: no database could write it",
  (text) => {
    expect(instantInput.safeParse(text).error?.issues).toMatchObject([{ params: { code: "out_of_range" } }]);
  },
);

test.each(["2026-11-23", "2026-11-23T20:00:00", "2026-02-30T00:00:00Z", "tomorrow", "-000001-01-01T00:00:00Z"])(
  "%s is no instant",
  (text) => {
    expect(instantInput.safeParse(text).error?.issues).toMatchObject([{ code: "invalid_format" }]);
  },
);
