import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { emptyDigest, objectEntry, type Sha256, xorDigest } from "./object-digest.ts";

const sha256: Sha256 = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest());
const hash = sha256(new TextEncoder().encode("body"));

test("an entry is the SHA-256 of kind, 0, id, 0, hash", () => {
  const expected = createHash("sha256")
    .update(Uint8Array.of(1, 0))
    .update("r\u00fc", "utf8")
    .update(Uint8Array.of(0))
    .update(hash)
    .digest("hex");
  expect(Buffer.from(objectEntry(sha256, 1, "r\u00fc", hash)).toString("hex")).toBe(expected);
});

test("adding in any order gives one digest, and adding again removes", () => {
  const a = objectEntry(sha256, 1, "a", hash);
  const b = objectEntry(sha256, 2, "a", hash);
  const both = xorDigest(xorDigest(emptyDigest(), a), b);
  expect(xorDigest(xorDigest(emptyDigest(), b), a)).toEqual(both);
  expect(xorDigest(xorDigest(both, a), b)).toEqual(emptyDigest());
});

test("a digest is not modified in place, nor mixed with what is none", () => {
  const digest = emptyDigest();
  xorDigest(digest, hash);
  expect(digest).toEqual(new Uint8Array(32));
  expect(() => xorDigest(digest, new Uint8Array(31))).toThrow(RangeError);
});
