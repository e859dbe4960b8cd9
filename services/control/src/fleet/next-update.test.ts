import { expect, test } from "vitest";
import { type EdgeProgress, acknowledged, nextUpdate } from "./next-update.ts";

const digest = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const head = { installation: "i", poolId: "p", epoch: 2, revision: 10, digest: digest(1) };
const nothing: EdgeProgress = { held: null, mismatch: null, refused: null };
const holding = (epoch: number, revision: number, fill = 1): EdgeProgress => ({
  ...nothing,
  held: { epoch, revision, digest: digest(fill) },
});

test.each([
  ["nothing", nothing, { send: "snapshot", heldRevision: null }],
  ["the head", holding(2, 10), { send: "nothing", because: "current" }],
  ["an older revision", holding(2, 7, 9), { send: "delta", from: 7, digest: digest(9) }],
  ["an older epoch, whatever the revision", holding(1, 99), { send: "snapshot", heldRevision: null }],
  ["a later revision", holding(2, 11), { send: "nothing", because: "ahead" }],
  ["a later epoch", holding(3, 1), { send: "nothing", because: "ahead" }],
  ["another table at the head's revision", holding(2, 10, 9), { send: "snapshot", heldRevision: 10 }],
] as const)("an edge that holds %s", (_, progress, next) => {
  expect(nextUpdate(progress, head)).toEqual(next);
});

test("an edge whose table differed twice at one revision is sent nothing until the next", () => {
  const held = { epoch: 2, revision: 10, digest: digest(9) };
  const once = acknowledged(nothing, held, head.digest);
  expect(nextUpdate(once, head)).toMatchObject({ send: "snapshot" });
  const twice = acknowledged(once, held, head.digest);
  expect(nextUpdate(twice, head)).toEqual({ send: "nothing", because: "diverged" });
  expect(nextUpdate(twice, { ...head, revision: 11 })).toMatchObject({ send: "delta", from: 10 });
  expect(nextUpdate(acknowledged(twice, { ...held, digest: digest(1) }, head.digest), head)).toMatchObject({
    because: "current",
  });
});

test("a version that the edge refused whole is not sent again, the next one is", () => {
  const progress = { ...holding(2, 9), refused: { epoch: 2, revision: 10 } };
  expect(nextUpdate(progress, head)).toEqual({ send: "nothing", because: "refused" });
  expect(nextUpdate(progress, { ...head, revision: 11 })).toMatchObject({ send: "delta", from: 9 });
});
