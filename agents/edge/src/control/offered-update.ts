import type { RemovalCause } from "@helloway/proto/edge";
import type { ObjectRef, TableObject } from "../relay/relay.ts";
import type { TableVersion } from "./table-version.ts";

/** An update with all its parts, every body checked against its hash. */
export interface OfferedUpdate {
  to: TableVersion;
  /** The revision it is a delta from; null: a snapshot. */
  fromRevision: bigint | null;
  /** Distinct. */
  objects: readonly TableObject[];
  /** Distinct; none of them is among the objects. */
  removals: readonly (ObjectRef & { cause: RemovalCause })[];
  /** Of the table after the update, as the control plane has it. */
  digest: Uint8Array;
}
