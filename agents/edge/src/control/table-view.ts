import { fromBinary } from "@bufbuild/protobuf";
import { type Route, RouteSchema } from "@helloway/proto/table";
import type { TableObjectKind } from "../relay/relay.ts";
import { formatSocketAddress } from "./format-socket-address.ts";
import type { HeldTable } from "./held-table.ts";
import { objectKey } from "./object-kind.ts";

/** Hostnames that one view lists: a page to read, not an export. */
const hostnamesMax = 1_000;

/** What an edge serves, for people: plain JSON. */
export interface TableView {
  installation: string;
  poolId: string;
  epoch: number;
  revision: number;
  /** Hexadecimal. */
  digest: string;
  objects: Record<TableObjectKind, number>;
  refused: { kind: TableObjectKind; id: string; code: string; detail: string; served: "earlier version" | "nothing" }[];
  hostnames: { hostname: string; route: string; backends: string[] }[];
  /** Not listed above. */
  hostnamesOmitted: number;
}

export function toTableView(table: HeldTable): TableView {
  const objects: Record<TableObjectKind, number> = { route: 0, barrier: 0, settings: 0 };
  const served = new Map(table.refused.map((refused) => [objectKey(refused), refused.kept]));
  const hostnames: TableView["hostnames"] = [];
  let omitted = 0;
  for (const [key, object] of table.objects) {
    objects[object.kind]++;
    if (object.kind !== "route") continue;
    const kept = served.get(key);
    const route = kept === null ? null : decodeRoute((kept ?? object).body);
    if (route === null) continue;
    const backends = route.backends.map(formatSocketAddress);
    for (const hostname of route.hostnames) {
      if (hostnames.length < hostnamesMax) hostnames.push({ hostname, route: `${route.team}/${route.name}`, backends });
      else omitted++;
    }
  }
  return {
    installation: table.version.installation,
    poolId: table.version.poolId,
    epoch: Number(table.version.epoch),
    revision: Number(table.version.revision),
    digest: Buffer.from(table.digest).toString("hex"),
    objects,
    refused: table.refused.map(({ kind, id, code, detail, kept }) => ({
      kind,
      id,
      code,
      detail,
      served: kept === null ? "nothing" : "earlier version",
    })),
    hostnames,
    hostnamesOmitted: omitted,
  };
}

function decodeRoute(body: Uint8Array): Route | null {
  try {
    return fromBinary(RouteSchema, body);
  } catch {
    return null;
  }
}
