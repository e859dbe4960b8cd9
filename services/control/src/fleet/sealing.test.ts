import { expect, test } from "vitest";
import { createSealing } from "./sealing.ts";

const old = "old-".repeat(8);
const current = "new-".repeat(8);
const plain = new TextEncoder().encode("a secret");

test("what is sealed opens with the same key and place only", () => {
  const sealing = createSealing(current);
  const sealed = sealing.seal(plain, "table/1/column");
  expect(Buffer.from(sealed).includes("secret")).toBe(false);
  expect(sealing.open(sealed, "table/1/column")).toEqual(plain);
  expect(() => sealing.open(sealed, "table/2/column")).toThrow(/cannot be opened/);
  expect(() => createSealing(old).open(sealed, "table/1/column")).toThrow(/cannot be opened/);
});

test("sealing twice gives different bytes", () => {
  const sealing = createSealing(current);
  expect(sealing.seal(plain, "x")).not.toEqual(sealing.seal(plain, "x"));
});

test("one changed bit anywhere is noticed", () => {
  const sealing = createSealing(current);
  const sealed = sealing.seal(plain, "x");
  for (let i = 0; i < sealed.length; i++) {
    const changed = sealed.slice();
    changed[i] = (changed[i] ?? 0) ^ 1;
    expect(() => sealing.open(changed, "x")).toThrow(/cannot be opened/);
  }
  for (let length = 0; length < sealed.length; length++) {
    expect(() => sealing.open(sealed.subarray(0, length), "x")).toThrow(/cannot be opened/);
  }
});

test("new,old opens what either sealed and seals with the new one", () => {
  const before = createSealing(old).seal(plain, "x");
  const both = createSealing(`${current},${old}`);
  expect(both.open(before, "x")).toEqual(plain);
  expect(both.isCurrent(before)).toBe(false);
  const after = both.seal(plain, "x");
  expect(both.isCurrent(after)).toBe(true);
  expect(createSealing(current).open(after, "x")).toEqual(plain);
});

test.each(["", "short", `${current},`, `${current},short`])("%j is no key", (keys) => {
  expect(() => createSealing(keys)).toThrow(/32 characters/);
});
