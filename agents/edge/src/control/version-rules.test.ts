import { expect, test } from "vitest";
import { own, version } from "./test/tables.ts";
import { judgeVersion } from "./version-rules.ts";

const held = version(10);

test("takes a snapshot when nothing is held, and no delta", () => {
  expect(judgeVersion(null, own, { to: version(3), fromRevision: null })).toEqual({ taken: "fresh" });
  expect(judgeVersion(null, own, { to: version(3), fromRevision: 2n })).toMatchObject({ taken: null });
});

test("takes a delta only from the revision that is held", () => {
  expect(judgeVersion(held, own, { to: version(12), fromRevision: 10n })).toEqual({ taken: "step" });
  expect(judgeVersion(held, own, { to: version(12), fromRevision: 9n })).toMatchObject({ taken: null });
  expect(judgeVersion(held, own, { to: version(12), fromRevision: 11n })).toMatchObject({ taken: null });
});

test("never goes back within one epoch, by delta or by snapshot", () => {
  for (const fromRevision of [null, 8n, 10n]) {
    expect(judgeVersion(held, own, { to: version(9), fromRevision })).toMatchObject({ taken: null });
  }
});

test("takes a snapshot of the revision it holds: that is how a table is repaired", () => {
  expect(judgeVersion(held, own, { to: version(10), fromRevision: null })).toEqual({ taken: "replace" });
});

test("follows a new epoch back, by snapshot only, and never returns to the old one", () => {
  const restored = version(4, { epoch: 2n });
  expect(judgeVersion(held, own, { to: restored, fromRevision: null })).toEqual({ taken: "replace" });
  expect(judgeVersion(held, own, { to: restored, fromRevision: 10n })).toMatchObject({ taken: null });
  expect(judgeVersion(restored, own, { to: version(11), fromRevision: null })).toMatchObject({ taken: null });
});

test("starts afresh with another pool that it was moved to", () => {
  const moved = { ...own, poolId: "pool-2" };
  const to = version(1, { poolId: "pool-2" });
  expect(judgeVersion(held, moved, { to, fromRevision: null })).toEqual({ taken: "fresh" });
  expect(judgeVersion(held, moved, { to, fromRevision: 10n })).toMatchObject({ taken: null });
});

test("refuses the table of a pool it is not in, and of another installation", () => {
  expect(judgeVersion(held, own, { to: version(11, { poolId: "pool-2" }), fromRevision: null })).toMatchObject({
    taken: null,
  });
  const stranger = version(11, { installation: "installation-2" });
  expect(judgeVersion(held, own, { to: stranger, fromRevision: null })).toMatchObject({ taken: null });
  expect(judgeVersion(null, own, { to: stranger, fromRevision: null })).toMatchObject({ taken: null });
});

test("replaces what it holds of another installation once it has an identity of this one", () => {
  const foreign = version(99, { installation: "installation-0" });
  expect(judgeVersion(foreign, own, { to: version(1), fromRevision: null })).toEqual({ taken: "fresh" });
});
