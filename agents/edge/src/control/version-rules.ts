import { type TableVersion, isSamePool } from "./table-version.ts";

/**
 * How an update is to be taken.
 * - `fresh`: nothing of this pool is held, the snapshot is the table.
 * - `replace`: the snapshot takes the place of an older version, or repairs the same one.
 * - `step`: a delta from the version that is held.
 */
export type VersionVerdict = { taken: "fresh" | "replace" | "step" } | { taken: null; reason: string };

/**
 * The rules of versions: another installation is refused; another pool starts afresh; within one pool an edge never goes back, and
 * a delta fits only the version it is from.
 * @param held what is served; null: nothing.
 * @param own where this edge belongs, by its identity and by what the control plane said in its Welcome.
 */
export function judgeVersion(
  held: TableVersion | null,
  own: { installation: string; poolId: string },
  update: { to: TableVersion; fromRevision: bigint | null },
): VersionVerdict {
  const { to, fromRevision } = update;
  if (to.installation !== own.installation) {
    return refuse(`it is of installation ${to.installation}, and this edge belongs to ${own.installation}`);
  }
  if (to.poolId !== own.poolId) return refuse(`it is of pool ${to.poolId}, and this edge is in ${own.poolId}`);
  const isSnapshot = fromRevision === null;
  if (held === null || !isSamePool(held, to)) {
    return isSnapshot ? { taken: "fresh" } : refuse("it is a delta, and nothing of this pool is held");
  }
  if (to.epoch < held.epoch) return refuse(`it is of epoch ${to.epoch}, and epoch ${held.epoch} is held`);
  if (to.epoch > held.epoch) return isSnapshot ? { taken: "replace" } : refuse("a new epoch begins with a snapshot");
  if (to.revision < held.revision) return refuse(`it is revision ${to.revision}, and ${held.revision} is held`);
  if (isSnapshot) return { taken: "replace" };
  if (fromRevision !== held.revision) {
    return refuse(`it is a delta from revision ${fromRevision}, and ${held.revision} is held`);
  }
  return { taken: "step" };
}

function refuse(reason: string): VersionVerdict {
  return { taken: null, reason };
}
