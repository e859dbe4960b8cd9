import { ObjectKind } from "@helloway/proto/edge";
import type { ObjectRef, TableObjectKind } from "../relay/relay.ts";

const kindNumbers: Readonly<Record<TableObjectKind, 1 | 2 | 3>> = {
  route: ObjectKind.ROUTE,
  barrier: ObjectKind.BARRIER,
  settings: ObjectKind.POOL_SETTINGS,
};

/** The number of a kind on the wire, on disk and in the digest. */
export function kindNumber(kind: TableObjectKind): 1 | 2 | 3 {
  return kindNumbers[kind];
}

/** The kind of a number; null: a kind this agent does not know. */
export function kindOf(number: number): TableObjectKind | null {
  switch (number) {
    case ObjectKind.ROUTE:
      return "route";
    case ObjectKind.BARRIER:
      return "barrier";
    case ObjectKind.POOL_SETTINGS:
      return "settings";
    default:
      return null;
  }
}

/** Names an object within its table. */
export function objectKey(ref: ObjectRef): string {
  return `${kindNumber(ref.kind)} ${ref.id}`;
}
