// A history of tables in which every revision is known from its number alone, for tests that kill who saves it.
import type { ObjectRef, TableObject } from "../../relay/relay.ts";
import { objectKey } from "../object-kind.ts";
import { route, routes } from "./tables.ts";

const widthOfTable = 60;
/** Every so many revisions the table comes as a whole, as a snapshot would. */
export const wholeEvery = 40;

export const firstRevision = 1;

export function firstObjects(): TableObject[] {
  return routes(widthOfTable);
}

/** What revision `n` changes of the one before it. */
export function changeOf(n: number): { objects: TableObject[]; removals: ObjectRef[] } {
  const name = `route-${n % widthOfTable}`;
  if (n % 7 !== 0) return { objects: [route(name, 1 + (n % 60_000))], removals: [] };
  const { kind, id } = route(name);
  return { objects: [], removals: [{ kind, id }] };
}

/** The objects at that revision, by key, as the hexadecimal of their bodies. */
export function bodiesAt(revision: number): Map<string, string> {
  const bodies = new Map(firstObjects().map((object) => [objectKey(object), hex(object.body)]));
  // Each route is touched once in as many revisions as there are routes: what came before those is overwritten.
  for (let n = Math.max(firstRevision + 1, revision - widthOfTable + 1); n <= revision; n++) {
    const { objects, removals } = changeOf(n);
    for (const object of objects) bodies.set(objectKey(object), hex(object.body));
    for (const removal of removals) bodies.delete(objectKey(removal));
  }
  return bodies;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
