import type { ObjectRef, RefusedObject, TableObject } from "../relay/relay.ts";
import { objectKey } from "./object-kind.ts";
import type { TableVersion } from "./table-version.ts";

/**
 * The table as it was offered, refused objects included, with what the engine refuses of it. Changed in place and only
 * synchronously, so whoever reads it between two awaits sees one version.
 */
export interface HeldTable {
  version: TableVersion;
  /** Of the objects as offered, 32 bytes. */
  digest: Uint8Array;
  /** By objectKey. */
  objects: Map<string, TableObject>;
  refused: readonly RefusedObject[];
}

/** One step of a held table. */
export interface TableEdit {
  /** The version and digest it is a step from. */
  from: { version: TableVersion; digest: Uint8Array };
  version: TableVersion;
  digest: Uint8Array;
  objects: readonly TableObject[];
  removals: readonly ObjectRef[];
  /** The whole list after the step; null: as before. */
  refused: readonly RefusedObject[] | null;
}

/** Takes the step, which must be one from the table's version. */
export function applyEdit(table: HeldTable, edit: TableEdit): void {
  for (const object of edit.objects) table.objects.set(objectKey(object), object);
  for (const removal of edit.removals) table.objects.delete(objectKey(removal));
  table.version = edit.version;
  table.digest = edit.digest;
  if (edit.refused !== null) table.refused = edit.refused;
}
