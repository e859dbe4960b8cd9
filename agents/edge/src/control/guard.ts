import { setImmediate as nextTurn } from "node:timers/promises";
import { RemovalCause } from "@helloway/proto/edge";
import type { TableObject } from "../relay/relay.ts";
import { keysPerTurn } from "./index-objects.ts";
import { objectKey } from "./object-kind.ts";
import type { OfferedUpdate } from "./offered-update.ts";

/** A table smaller than this may go as a whole: the last routes of a test pool are not a catastrophe. */
const guardedObjectsMin = 20;

/**
 * Protects an edge from losing its table to a fault of the control plane: holding 20 objects or more, it refuses an update
 * that takes away more than half of them without saying why. An object is taken away unexplained when its removal has no cause,
 * or when a snapshot neither has it nor lists its removal with one.
 * @param offered the update's objects by objectKey.
 * @returns why the update is to be refused; null: it may be applied.
 */
export async function guardRefusal(
  held: ReadonlyMap<string, TableObject>,
  update: Pick<OfferedUpdate, "fromRevision" | "removals">,
  offered: ReadonlyMap<string, TableObject>,
): Promise<string | null> {
  if (held.size < guardedObjectsMin) return null;
  const explained = new Set<string>();
  let unexplained = 0;
  for (const removal of update.removals) {
    const key = objectKey(removal);
    if (!held.has(key)) continue;
    if (removal.cause !== RemovalCause.UNSPECIFIED) explained.add(key);
    else if (update.fromRevision !== null) unexplained++;
  }
  if (update.fromRevision === null) {
    let seen = 0;
    for (const key of held.keys()) {
      if (!offered.has(key) && !explained.has(key)) unexplained++;
      if (++seen % keysPerTurn === 0) await nextTurn();
    }
  }
  if (unexplained * 2 <= held.size) return null;
  return `it would remove ${unexplained} of ${held.size} objects without a cause`;
}
