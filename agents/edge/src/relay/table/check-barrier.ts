import { fromBinary } from "@bufbuild/protobuf";
import { type Barrier, BarrierSchema } from "@helloway/proto/table";
import { parseHostname } from "@helloway/routing/name";
import type { BarrierNames } from "@helloway/routing/name-table";
import { missingFeature, type Refusal } from "./refusal.ts";

export type BarrierCheck = { kind: "served"; barrier: BarrierNames } | { kind: "refused"; refusal: Refusal };

/** Whether the engine can hold a barrier as offered. */
export function checkBarrier(body: Uint8Array, id: string): BarrierCheck {
  let barrier: Barrier;
  try {
    barrier = fromBinary(BarrierSchema, body);
  } catch (error) {
    return { kind: "refused", refusal: { code: "unreadable", detail: String(error) } };
  }
  const missing = missingFeature(barrier.requires);
  if (missing) return { kind: "refused", refusal: missing };
  const name = parseHostname(barrier.name);
  if (!name.ok || name.hostname !== barrier.name) {
    const detail = `${JSON.stringify(barrier.name)} is no canonical name.`;
    return { kind: "refused", refusal: { code: "bad_hostname", detail } };
  }
  return { kind: "served", barrier: { id, name: barrier.name, tree: barrier.tree } };
}
