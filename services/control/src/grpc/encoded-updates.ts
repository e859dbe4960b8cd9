// Updates as bytes, encoded once for all edges that need the same step.
//
// A version number alone does not say what a table is: after the database was restored from a backup the same numbers come again with
// other contents. What is kept is therefore used only where its digest is that of the head, or where it was read after it was asked for.
import type { NextUpdate } from "../fleet/next-update.ts";
import type { TableDelta, TableSnapshot } from "../fleet/table-reads.ts";
import { compareVersions, type TableHead } from "../fleet/table-version.ts";
import { encodeUpdate } from "./encode-update.ts";

export interface EncodedUpdate {
  to: TableHead;
  isSnapshot: boolean;
  /** ConnectResponses, to be sent one after the other. */
  parts: readonly Uint8Array[];
}

export interface TableSource {
  readSnapshot(poolId: string): Promise<TableSnapshot>;
  readDelta(poolId: string, from: number, to: number): Promise<TableDelta | null>;
}

export interface EncodedUpdates {
  /** @param next what an edge is to be sent; a delta that cannot be had, or does not fit what the edge has, becomes a snapshot. */
  get(next: Exclude<NextUpdate, { send: "nothing" }>, head: TableHead): Promise<EncodedUpdate>;
}

interface Delta {
  delta: TableDelta;
  parts: Uint8Array[];
}

/** Steps kept: edges of a pool that are a few commits apart, in several pools. */
const deltasMax = 64;

export function createEncodedUpdates(source: TableSource): EncodedUpdates {
  const deltas = new Map<string, Promise<Delta | null>>();
  /** The newest of each pool. */
  const snapshots = new Map<string, Promise<EncodedUpdate>>();

  const delta = (from: number, to: TableHead): Promise<Delta | null> => {
    const key = [to.poolId, to.epoch, from, to.revision, Buffer.from(to.digest).toString("hex")].join(" ");
    const made = deltas.get(key) ?? makeDelta(from, to);
    // Whatever was asked for last goes last.
    deltas.delete(key);
    deltas.set(key, made);
    for (const oldest of deltas.keys()) {
      if (deltas.size <= deltasMax) break;
      deltas.delete(oldest);
    }
    made.catch(() => deltas.delete(key));
    return made;
  };

  const makeDelta = async (from: number, to: TableHead): Promise<Delta | null> => {
    const found = await source.readDelta(to.poolId, from, to.revision);
    if (found === null) return null;
    const { objects, removals } = found;
    return { delta: found, parts: encodeUpdate({ to, fromRevision: from, objects, removals }) };
  };

  const snapshot = async (head: TableHead): Promise<EncodedUpdate> => {
    const before = snapshots.get(head.poolId);
    for (;;) {
      const pending = snapshots.get(head.poolId);
      const kept = await pending?.catch(() => undefined);
      const isUsable =
        kept !== undefined && (pending === before ? isOf(kept, head) : compareVersions(kept.to, head) >= 0);
      if (isUsable) return kept;
      // Of those who waited for one that is too old, the first makes the next.
      if (snapshots.get(head.poolId) !== pending) continue;
      const made = makeSnapshot(head.poolId);
      snapshots.set(head.poolId, made);
      return await made;
    }
  };

  const makeSnapshot = async (poolId: string): Promise<EncodedUpdate> => {
    const { at, objects } = await source.readSnapshot(poolId);
    return { to: at, isSnapshot: true, parts: encodeUpdate({ to: at, fromRevision: null, objects, removals: [] }) };
  };

  /** A snapshot says by what is absent from it that it is gone; the cause travels before it, where history knows it. */
  const explained = async (heldRevision: number, head: TableHead): Promise<EncodedUpdate> => {
    const whole = await snapshot(head);
    const since = heldRevision < whole.to.revision ? await delta(heldRevision, whole.to) : null;
    if (since === null || since.delta.removals.length === 0) return whole;
    const { removals } = since.delta;
    const before = encodeUpdate({ to: whole.to, fromRevision: null, objects: [], removals }, { last: false });
    return { ...whole, parts: [...before, ...whole.parts] };
  };

  return {
    async get(next, head) {
      if (next.send === "snapshot") {
        return next.heldRevision === null ? await snapshot(head) : await explained(next.heldRevision, head);
      }
      const step = await delta(next.from, head);
      const fits =
        step !== null &&
        Buffer.compare(step.delta.fromDigest, next.digest) === 0 &&
        Buffer.compare(step.delta.digest, head.digest) === 0;
      if (!fits) return await explained(next.from, head);
      return { to: head, isSnapshot: false, parts: step.parts };
    },
  };
}

function isOf(update: EncodedUpdate, head: TableHead): boolean {
  return compareVersions(update.to, head) === 0 && Buffer.compare(update.to.digest, head.digest) === 0;
}
