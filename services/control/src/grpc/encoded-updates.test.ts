import { expect, test } from "vitest";
import type { TableHead } from "../fleet/table-version.ts";
import { createEncodedUpdates } from "./encoded-updates.ts";

const digestOf = (revision: number): Uint8Array => new Uint8Array(32).fill(revision);
const headAt = (revision: number): TableHead => ({
  installation: "i",
  poolId: "p",
  epoch: 1,
  revision,
  digest: digestOf(revision),
});

function createSource() {
  const asked: string[] = [];
  let at = 5;
  const updates = createEncodedUpdates({
    readSnapshot: async () => {
      asked.push(`snapshot at ${at}`);
      return { at: headAt(at), objects: [] };
    },
    readDelta: async (_, from, to) => {
      asked.push(`${from} to ${to}`);
      if (from < 3) return null;
      return { fromRevision: from, fromDigest: digestOf(from), digest: digestOf(to), objects: [], removals: [] };
    },
  });
  return { asked, updates, moveTo: (revision: number) => void (at = revision) };
}

test("a step is read and encoded once for all edges that take it", async () => {
  const { asked, updates } = createSource();
  const next = { send: "delta", from: 4, digest: digestOf(4) } as const;
  const sent = await Promise.all(Array.from({ length: 500 }, () => updates.get(next, headAt(5))));
  expect(new Set(sent.map(({ parts }) => parts)).size).toBe(1);
  expect(asked).toEqual(["4 to 5"]);
});

test("a snapshot is read once for all that come at one moment, and again when the pool has moved", async () => {
  const { asked, updates, moveTo } = createSource();
  const next = { send: "snapshot", heldRevision: null } as const;
  const get = (revision: number) => Promise.all(Array.from({ length: 50 }, () => updates.get(next, headAt(revision))));
  await get(5);
  moveTo(7);
  expect((await get(6)).every(({ to }) => to.revision === 7)).toBe(true);
  await get(7);
  expect(asked).toEqual(["snapshot at 5", "snapshot at 7"]);
});

test("where history does not reach back, or the digest is another, it is a snapshot", async () => {
  const { updates } = createSource();
  for (const [from, digest] of [
    [2, digestOf(2)],
    [4, digestOf(99)],
  ] as const) {
    const update = await updates.get({ send: "delta", from, digest }, headAt(5));
    expect(update).toMatchObject({ isSnapshot: true, to: { revision: 5 } });
  }
});

test("a failed reading is tried again by the next that asks", async () => {
  let isThere = false;
  const updates = createEncodedUpdates({
    readDelta: () => Promise.reject(new Error("not asked for")),
    readSnapshot: () =>
      isThere ? Promise.resolve({ at: headAt(5), objects: [] }) : Promise.reject(new Error("the database is away")),
  });
  const next = { send: "snapshot", heldRevision: null } as const;
  await expect(updates.get(next, headAt(5))).rejects.toThrow("away");
  isThere = true;
  expect(await updates.get(next, headAt(5))).toMatchObject({ to: { revision: 5 } });
});

test("nothing read before the database went back to an older state is sent after it", async () => {
  let timeline = 100;
  const digestNow = (revision: number): Uint8Array => new Uint8Array(32).fill(timeline + revision);
  const headNow = (revision: number): TableHead => ({ ...headAt(revision), digest: digestNow(revision) });
  let at = 6;
  const updates = createEncodedUpdates({
    readSnapshot: async () => ({ at: headNow(at), objects: [] }),
    readDelta: async (_, from, to) => ({
      fromRevision: from,
      fromDigest: digestOf(from),
      digest: digestNow(to),
      objects: [],
      removals: [],
    }),
  });
  const all = { send: "snapshot", heldRevision: null } as const;
  const step = { send: "delta", from: 4, digest: digestOf(4) } as const;
  await updates.get(all, headNow(6));
  await updates.get(step, headNow(5));
  timeline = 200;
  at = 5;
  expect(await updates.get(all, headNow(5))).toMatchObject({ to: { revision: 5, digest: digestNow(5) } });
  expect(await updates.get(step, headNow(5))).toMatchObject({ isSnapshot: false, to: { digest: digestNow(5) } });
});
