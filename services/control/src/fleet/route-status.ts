import { and, eq, inArray, isNull } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { edgeRefusals, edges } from "../db/schema/edges.ts";
import { installation } from "../db/schema/installation.ts";
import { tableObjects } from "../db/schema/pools.ts";
import { isConnected } from "./edge-state.ts";
import { objectKinds } from "./encode-object.ts";

/** rejected by every connected edge, degraded: by some, pending: not everywhere yet, live: acked by every one, and at least one. */
export type RouteState = "rejected" | "degraded" | "pending" | "live";

export interface RouteEdgeStatus {
  edge: string;
  /** What the edge has applied; 0: nothing. */
  revision: number;
  /** It serves the route's current version. */
  accepted: boolean;
  /** Why it refused it. */
  reason?: string;
}

export interface RouteStatus {
  state: RouteState;
  /** Revision of the pool that carries the current version. */
  revision: number;
  edges: RouteEdgeStatus[];
}

interface RouteRef {
  id: string;
  poolId: string;
  revision: number;
}

/** How far the edges are with each route, by its id. */
export async function routeStatuses(db: Db, refs: readonly RouteRef[], now: Date): Promise<Map<string, RouteStatus>> {
  if (refs.length === 0) return new Map();
  const ids = refs.map(({ id }) => id);
  const poolIds = [...new Set(refs.map(({ poolId }) => poolId))];
  const [own] = await db.select({ epoch: installation.epoch }).from(installation);
  const members = await db
    .select()
    .from(edges)
    .where(and(inArray(edges.poolId, poolIds), isNull(edges.revokedAt)))
    .orderBy(edges.name);
  // A refusal of an earlier version says nothing of this one.
  const refusals = await db
    .select({
      edgeId: edgeRefusals.edgeId,
      routeId: edgeRefusals.objectId,
      code: edgeRefusals.code,
      detail: edgeRefusals.detail,
    })
    .from(edgeRefusals)
    .innerJoin(edges, eq(edges.id, edgeRefusals.edgeId))
    .innerJoin(
      tableObjects,
      and(
        eq(tableObjects.poolId, edges.poolId),
        eq(tableObjects.kind, edgeRefusals.kind),
        eq(tableObjects.objectId, edgeRefusals.objectId),
        eq(tableObjects.hash, edgeRefusals.offeredHash),
      ),
    )
    .where(and(eq(edgeRefusals.kind, objectKinds.route), inArray(edgeRefusals.objectId, ids)));
  const refusedBy = new Map(refusals.map((refusal) => [`${refusal.edgeId} ${refusal.routeId}`, refusal]));

  return new Map(
    refs.map((ref) => {
      const seen = members
        .filter((edge) => edge.poolId === ref.poolId)
        .map((edge) => {
          const revision = edge.appliedEpoch === own?.epoch ? edge.appliedRevision : 0;
          const refusal = refusedBy.get(`${edge.id} ${ref.id}`);
          const status: RouteEdgeStatus = {
            edge: edge.name,
            revision,
            accepted: revision >= ref.revision && refusal === undefined,
            ...(refusal === undefined ? {} : { reason: `${refusal.code}: ${refusal.detail}` }),
          };
          return { status, connected: isConnected(edge, now) };
        });
      const connected = seen.filter((one) => one.connected).map((one) => one.status);
      return [ref.id, { state: stateOf(connected), revision: ref.revision, edges: seen.map((one) => one.status) }];
    }),
  );
}

function stateOf(connected: readonly RouteEdgeStatus[]): RouteState {
  const refused = connected.filter((edge) => edge.reason !== undefined).length;
  if (refused > 0) return refused === connected.length ? "rejected" : "degraded";
  return connected.length > 0 && connected.every((edge) => edge.accepted) ? "live" : "pending";
}
