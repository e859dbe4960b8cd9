// What an edge is to be sent next, from what it holds and where its pool is.
//
// - nothing, `current`: it has the head.
// - nothing, `ahead`: it has a later version than the database. Never overwritten: the database was restored from an older backup.
// - nothing, `diverged`: twice at one revision its table was not what was sent; a later revision tries again.
// - nothing, `refused`: it refused this very version whole; a later one may be acceptable.
// - a delta, as long as history reaches back and the digest fits (which the sender sees), else a snapshot.
import { compareVersions, type TableHead } from "./table-version.ts";

export interface EdgeProgress {
  /** What the edge last said it holds; null: nothing of this installation and pool. */
  held: { epoch: number; revision: number; digest: Uint8Array } | null;
  /** How often in a row the edge's digest differed at one version. */
  mismatch: { epoch: number; revision: number; times: number } | null;
  /** The version the edge refused whole last. */
  refused: { epoch: number; revision: number } | null;
}

export type NextUpdate =
  | { send: "nothing"; because: "current" | "ahead" | "diverged" | "refused" }
  | { send: "delta"; from: number; digest: Uint8Array }
  /** heldRevision: the revision whose removals the snapshot is to explain; null: the edge starts afresh. */
  | { send: "snapshot"; heldRevision: number | null };

const mismatchesMax = 2;

export function nextUpdate({ held, mismatch, refused }: EdgeProgress, head: TableHead): NextUpdate {
  if (refused !== null && compareVersions(refused, head) === 0) return { send: "nothing", because: "refused" };
  if (held === null) return { send: "snapshot", heldRevision: null };
  const order = compareVersions(held, head);
  if (order > 0) return { send: "nothing", because: "ahead" };
  if (order === 0 && Buffer.compare(held.digest, head.digest) === 0) return { send: "nothing", because: "current" };
  if (mismatch !== null && mismatch.times >= mismatchesMax && compareVersions(mismatch, head) === 0) {
    return { send: "nothing", because: "diverged" };
  }
  if (held.epoch !== head.epoch) return { send: "snapshot", heldRevision: null };
  if (order === 0) return { send: "snapshot", heldRevision: held.revision };
  return { send: "delta", from: held.revision, digest: held.digest };
}

/** The progress after the edge said what it holds. @param offered digest of that version as the control plane has it. */
export function acknowledged(
  progress: EdgeProgress,
  held: { epoch: number; revision: number; digest: Uint8Array },
  offered: Uint8Array,
): EdgeProgress {
  if (Buffer.compare(held.digest, offered) === 0) return { held, mismatch: null, refused: null };
  const { mismatch } = progress;
  const again = mismatch !== null && compareVersions(mismatch, held) === 0;
  return {
    held,
    mismatch: { epoch: held.epoch, revision: held.revision, times: again ? mismatch.times + 1 : 1 },
    refused: null,
  };
}
