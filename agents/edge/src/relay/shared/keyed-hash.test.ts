import { expect, test } from "vitest";
import fc from "fast-check";
import { createHashKey, KeyedHash } from "./keyed-hash.ts";

const hash = new KeyedHash([0x03020100, 0x07060504]);

function ofText(text: string, number?: number): string {
  hash.ofText(text, number);
  return `${hash.high} ${hash.low}`;
}

function ofBytes(bytes: Uint8Array, length: number): string {
  hash.ofBytes(bytes, length);
  return `${hash.high} ${hash.low}`;
}

test("tells texts, numbers and lengths apart, and gives the same for the same", () => {
  const texts = ["", "a", "ab", "abc", "abcd", "abcde", "192.0.2.1", "192.0.2.10", "20010db800000001"];
  const all = texts.flatMap((text) => [0, 1, 443].map((number) => ofText(text, number)));
  expect(new Set(all).size).toBe(texts.length * 3);
  expect(texts.flatMap((text) => [0, 1, 443].map((number) => ofText(text, number)))).toEqual(all);
});

test("depends on every one of the bytes it is asked for, and on none after them", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 43, maxLength: 60 }),
      fc.nat(59),
      fc.integer({ min: 1, max: 255 }),
      (bytes, at, by) => {
        const place = at % bytes.length;
        const changed = bytes.with(place, bytes[place]! ^ by);
        expect(ofBytes(changed, 43) === ofBytes(bytes, 43)).toBe(place >= 43);
      },
    ),
  );
});

test("spreads what differs by one digit over all of its bits", () => {
  const ones = Array.from({ length: 64 }, () => 0);
  for (let each = 0; each < 4_096; each++) {
    hash.ofText(`198.51.${each >> 8}.${each & 255}`, 443);
    for (let bit = 0; bit < 32; bit++) {
      ones[bit]! += (hash.high >>> bit) & 1;
      ones[bit + 32]! += (hash.low >>> bit) & 1;
    }
  }
  // Seven standard deviations: 32 each.
  for (const count of ones) expect(Math.abs(count - 2_048)).toBeLessThan(224);
});

test("is another function under another key", () => {
  const other = new KeyedHash(createHashKey());
  other.ofText("192.0.2.1");
  expect(`${other.high} ${other.low}`).not.toBe(ofText("192.0.2.1"));
});
