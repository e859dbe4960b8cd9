// Tables and steps of tables for the tests of the control side.
import { routeObject, settingsObject } from "@helloway/test/harness/table-objects";
import type { ObjectRef, RefusedObject, TableObject } from "../../relay/relay.ts";
import { type HeldTable, type TableEdit, applyEdit } from "../held-table.ts";
import { objectKey } from "../object-kind.ts";
import { digestAfter } from "../table-digest.ts";
import type { TableVersion } from "../table-version.ts";

export const own = { installation: "installation-1", poolId: "pool-1" } as const;

export function version(revision: number, more: Partial<TableVersion> = {}): TableVersion {
  return { ...own, epoch: 1n, revision: BigInt(revision), ...more };
}

/** A route for `<name>.example.test`. */
export function route(name: string, port = 443): TableObject {
  return routeObject(name, { hostnames: [`${name}.example.test`], backends: [{ host: "127.0.0.1", port }] });
}

export function routes(count: number): TableObject[] {
  return [settingsObject(), ...Array.from({ length: count - 1 }, (_, i) => route(`route-${i}`))];
}

export async function tableOf(
  revision: number,
  objects: readonly TableObject[],
  more: { version?: Partial<TableVersion>; refused?: RefusedObject[] } = {},
): Promise<HeldTable> {
  return {
    version: version(revision, more.version),
    digest: await digestAfter(null, { objects, removals: [] }),
    objects: new Map(objects.map((object) => [objectKey(object), object])),
    refused: more.refused ?? [],
  };
}

/** A step of the table to its next revision; not taken yet. */
export async function editOf(
  table: HeldTable,
  change: { objects?: TableObject[]; removals?: ObjectRef[]; refused?: RefusedObject[] },
): Promise<TableEdit> {
  const objects = change.objects ?? [];
  const removals = change.removals ?? [];
  return {
    from: { version: table.version, digest: table.digest },
    version: { ...table.version, revision: table.version.revision + 1n },
    digest: await digestAfter(table, { objects, removals }),
    objects,
    removals,
    refused: change.refused ?? null,
  };
}

/** Takes a step, and returns it to be saved. */
export async function step(table: HeldTable, change: Parameters<typeof editOf>[1]): Promise<TableEdit> {
  const edit = await editOf(table, change);
  applyEdit(table, edit);
  return edit;
}

/** A copy that later steps do not change. */
export function frozen(table: HeldTable): HeldTable {
  return { ...table, objects: new Map(table.objects) };
}

/** The table for comparing: bytes as hexadecimal, whatever holds them. */
export function shown(table: HeldTable | null | undefined): unknown {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const object = ({ kind, id, body, hash }: TableObject): string => [kind, id, hex(body), hex(hash)].join(" ");
  if (table === null || table === undefined) return table;
  return {
    version: table.version,
    digest: hex(table.digest),
    objects: [...table.objects.values()].map(object).sort(),
    refused: table.refused.map((refused) => ({
      ...refused,
      offeredHash: hex(refused.offeredHash),
      kept: refused.kept === null ? null : object(refused.kept),
    })),
  };
}
