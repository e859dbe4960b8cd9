import { RemovalCause } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import type { TableObject } from "../relay/relay.ts";
import * as guard from "./guard.ts";
import { indexObjects } from "./index-objects.ts";
import { objectKey } from "./object-kind.ts";
import type { OfferedUpdate } from "./offered-update.ts";
import { route, routes, version } from "./test/tables.ts";

async function guardRefusal(held: Map<string, TableObject>, offered: OfferedUpdate): Promise<string | null> {
  return await guard.guardRefusal(held, offered, await indexObjects(offered.objects));
}

function held(count: number): Map<string, TableObject> {
  return new Map(routes(count).map((object) => [objectKey(object), object]));
}

function update(change: Partial<OfferedUpdate>): OfferedUpdate {
  return { to: version(2), fromRevision: 1n, objects: [], removals: [], digest: new Uint8Array(32), ...change };
}

function removals(count: number, cause: RemovalCause): OfferedUpdate["removals"] {
  return Array.from({ length: count }, (_, i) => ({ kind: "route" as const, id: route(`route-${i}`).id, cause }));
}

test("refuses a delta that removes more than half without a cause", async () => {
  const fate = (count: number): Promise<string | null> =>
    guardRefusal(held(20), update({ removals: removals(count, RemovalCause.UNSPECIFIED) }));
  expect(await fate(10)).toBeNull();
  expect(await fate(11)).toBe("it would remove 11 of 20 objects without a cause");
});

test("lets any number go that has a cause", async () => {
  for (const cause of [RemovalCause.DELETE, RemovalCause.PRUNE, RemovalCause.SUSPENSION, RemovalCause.CONSEQUENCE]) {
    expect(await guardRefusal(held(20), update({ removals: removals(19, cause) }))).toBeNull();
  }
});

test("does not count removals of what is not held", async () => {
  const strangers = Array.from({ length: 50 }, (_, i) => ({
    kind: "barrier" as const,
    id: `stranger-${i}`,
    cause: RemovalCause.UNSPECIFIED,
  }));
  expect(await guardRefusal(held(20), update({ removals: strangers }))).toBeNull();
});

test("refuses a snapshot from which more than half is absent", async () => {
  const snapshot = (count: number): OfferedUpdate => update({ fromRevision: null, objects: routes(count) });
  expect(await guardRefusal(held(40), snapshot(20))).toBeNull();
  expect(await guardRefusal(held(40), snapshot(19))).toBe("it would remove 21 of 40 objects without a cause");
  expect(await guardRefusal(held(40), snapshot(0))).not.toBeNull();
});

test("lets a snapshot lack what it says was removed for a cause", async () => {
  const explained = update({ fromRevision: null, objects: [], removals: removals(39, RemovalCause.DELETE) });
  expect(await guardRefusal(held(40), explained)).toBeNull();
  const unexplained = update({ fromRevision: null, objects: [], removals: removals(39, RemovalCause.UNSPECIFIED) });
  expect(await guardRefusal(held(40), unexplained)).not.toBeNull();
});

test("does not guard fewer than 20 objects", async () => {
  expect(await guardRefusal(held(19), update({ fromRevision: null }))).toBeNull();
  expect(await guardRefusal(held(20), update({ fromRevision: null }))).not.toBeNull();
});
