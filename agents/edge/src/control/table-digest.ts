import { setImmediate as nextTurn } from "node:timers/promises";
import { emptyDigest, objectEntry, xorDigest } from "@helloway/routing/object-digest";
import type { ObjectRef, TableObject } from "../relay/relay.ts";
import { kindNumber, objectKey } from "./object-kind.ts";
import { sha256 } from "./sha256.ts";

/** Objects between two turns of the event loop: a few milliseconds of hashing. */
const objectsPerTurn = 2_000;

/**
 * The digest of a table after a step. The objects of a step are distinct, and none is removed too.
 * @param before the table the step is from; null: the objects are the whole table.
 */
export async function digestAfter(
  before: { digest: Uint8Array; objects: ReadonlyMap<string, TableObject> } | null,
  step: { objects: readonly TableObject[]; removals: readonly ObjectRef[] },
): Promise<Uint8Array> {
  let digest = before?.digest ?? emptyDigest();
  let done = 0;
  const replace = (old: TableObject | undefined, now: TableObject | null): void => {
    if (old !== undefined) digest = xorDigest(digest, entryOf(old));
    if (now !== null) digest = xorDigest(digest, entryOf(now));
  };
  for (const object of step.objects) {
    replace(before?.objects.get(objectKey(object)), object);
    if (++done % objectsPerTurn === 0) await nextTurn();
  }
  for (const removal of step.removals) {
    replace(before?.objects.get(objectKey(removal)), null);
    if (++done % objectsPerTurn === 0) await nextTurn();
  }
  return digest;
}

function entryOf(object: TableObject): Uint8Array {
  return objectEntry(sha256, kindNumber(object.kind), object.id, object.hash);
}
