import { expect, test } from "vitest";
import type { RefusedObject, TableObject } from "../relay.ts";
import { OfferedTable } from "./offered-table.ts";

function version(id: string, body: number): TableObject {
  return { kind: "route", id, body: Uint8Array.of(body), hash: Uint8Array.of(body) };
}

/** As told of a version that is refused and of which nothing is served now. */
function refusal({ kind, id, hash }: TableObject): RefusedObject {
  return { kind, id, offeredHash: hash, kept: null, code: "refused", detail: "" };
}

const [one, two, three] = [1, 2, 3].map((body) => version("a", body)) as [TableObject, TableObject, TableObject];
const other = version("b", 1);

function put(...objects: TableObject[]) {
  return { snapshot: false, objects, removals: [] };
}

test("has nothing before the first update", () => {
  expect(new OfferedTable().snapshot()).toBeNull();
});

test("has what was offered last, and the version accepted last of what is refused, however often it is edited", () => {
  const table = new OfferedTable();
  table.taken({ ...put(one, other), snapshot: true }, []);
  table.taken(put(two), [refusal(two)]);
  table.taken(put(three), [refusal(three)]);
  expect(table.snapshot()).toMatchObject({ snapshot: true, objects: [three, other], kept: [one] });
  table.taken({ ...put(two, other), snapshot: true }, [refusal(two)]);
  expect(table.snapshot()).toMatchObject({ objects: [two, other], kept: [one] });
});

test("keeps a version that was accepted when the refusal went away by itself", () => {
  const table = new OfferedTable();
  table.taken(put(one), []);
  table.taken(put(two), [refusal(two)]);
  table.taken(put(other), []);
  table.taken(put(three), [refusal(three)]);
  expect(table.snapshot()?.kept).toEqual([two]);
});

test("keeps what came from disk until a version is accepted, and nothing of what is removed", () => {
  const table = new OfferedTable();
  table.taken({ snapshot: true, objects: [two, other], removals: [], kept: [one] }, [refusal(two)]);
  expect(table.snapshot()?.kept).toEqual([one]);
  table.taken(put(three), []);
  expect(table.snapshot()).toMatchObject({ objects: [three, other], kept: [] });
  table.taken(put(one), [refusal(one)]);
  table.taken({ snapshot: false, objects: [], removals: [{ kind: "route", id: "a" }] }, []);
  expect(table.snapshot()).toMatchObject({ objects: [other], kept: [] });
});
