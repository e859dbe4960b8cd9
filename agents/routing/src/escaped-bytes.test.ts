import fc from "fast-check";
import { expect, test } from "vitest";
import { escapeBytes, unescapeBytes } from "./escaped-bytes.ts";

test.each([
  ["h2", "h2"],
  ["acme-tls/1", "acme-tls/1"],
  ["\\x0a\\xFF", "\\x0a\\xff"],
  ["\\x68\\x32", "h2"],
  ["a\\x5cb", "a\\x5cb"],
  ["", ""],
])("%s is canonically %s", (text, canonical) => {
  expect(escapeBytes(unescapeBytes(text)!)).toBe(canonical);
});

test.each(["é", "a\\b", "\\", "\\x", "\\x1", "\\xg0", "\\X00", "\n", "h2\n", "\u{1f600}"])(
  "%j is no text of bytes",
  (text) => {
    expect(unescapeBytes(text)).toBeNull();
  },
);

test("any bytes read back the same, and their text is printable ASCII", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = escapeBytes(bytes);
      expect(text).toMatch(/^[\x20-\x7e]*$/);
      expect(unescapeBytes(text)).toEqual(bytes);
    }),
  );
});
