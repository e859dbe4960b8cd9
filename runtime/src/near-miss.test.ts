import { expect, test } from "vitest";
import { nearMiss } from "./near-miss.ts";

const known = ["HELLOWAY_DATA_DIR", "HELLOWAY_URL", "HELLOWAY_TOKEN"];

test.each([
  ["HELLOWAY_DATADIR", "HELLOWAY_DATA_DIR"],
  ["HELLOWAY_TOEKN", "HELLOWAY_TOKEN"],
  ["HELLOWAY_UR", "HELLOWAY_URL"],
])("%s is a slip for %s", (word, meant) => {
  expect(nearMiss(word, known)).toBe(meant);
});

test("a word of its own is no slip", () => {
  expect(nearMiss("HELLOWAY_SOMETHING", known)).toBeNull();
});
