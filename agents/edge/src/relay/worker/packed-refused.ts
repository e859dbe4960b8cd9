// What a worker refuses, on its way to the coordinator. As one message, 50,000 refused objects would stop the worker for a tenth of
// a second; so they are written in parts, between which connections are served.
import { setImmediate as nextTurn } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";
import type { RefusedObject } from "../relay.ts";

export type PackedRefused = readonly Uint8Array[];

const PART_OBJECTS = 256;

export async function packRefused(refused: readonly RefusedObject[]): Promise<PackedRefused> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < refused.length; at += PART_OBJECTS) {
    if (at > 0) await nextTurn();
    parts.push(serialize(refused.slice(at, at + PART_OBJECTS)));
  }
  return parts;
}

/** Free of the memory that tables are in, which would stay as long as one object of it is kept. */
export function unpackRefused(parts: PackedRefused): RefusedObject[] {
  return parts.flatMap((part) => deserialize(part) as RefusedObject[]);
}
