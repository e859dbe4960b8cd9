/** Derived, the first that holds: the identity is revoked; it never had a table; no stream; not at the pool's revision; at it. */
export type EdgeState = "revoked" | "joining" | "stale" | "behind" | "up";

interface EdgeProgress {
  revokedAt: Date | null;
  seenAt: Date | null;
  disconnectedAt: Date | null;
  appliedEpoch: number;
  appliedRevision: number;
}

/** A session touches its edge far more often; a replica that died does not, and says no goodbye either. */
const seenWithinMs = 30_000;

/** Whether the edge has a session now. */
export function isConnected(edge: Pick<EdgeProgress, "seenAt" | "disconnectedAt">, now: Date): boolean {
  if (edge.seenAt === null || edge.disconnectedAt !== null) return false;
  return now.getTime() - edge.seenAt.getTime() <= seenWithinMs;
}

/** @param desired epoch and revision that the edge should have. */
export function edgeState(edge: EdgeProgress, desired: { epoch: number; revision: number }, now: Date): EdgeState {
  if (edge.revokedAt !== null) return "revoked";
  if (edge.appliedEpoch === 0) return "joining";
  if (!isConnected(edge, now)) return "stale";
  return edge.appliedEpoch === desired.epoch && edge.appliedRevision >= desired.revision ? "up" : "behind";
}
