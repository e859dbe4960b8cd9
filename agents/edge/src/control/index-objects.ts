import { setImmediate as nextTurn } from "node:timers/promises";
import type { TableObject } from "../relay/relay.ts";
import { objectKey } from "./object-kind.ts";

/** Keys handled between two turns of the event loop: a few milliseconds. */
export const keysPerTurn = 5_000;

/** The objects by objectKey, without holding up the event loop. */
export async function indexObjects(objects: readonly TableObject[]): Promise<Map<string, TableObject>> {
  const index = new Map<string, TableObject>();
  for (const object of objects) {
    index.set(objectKey(object), object);
    if (index.size % keysPerTurn === 0) await nextTurn();
  }
  return index;
}
