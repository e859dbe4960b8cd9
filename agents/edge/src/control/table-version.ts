/** What a table is a version of, and which. Revisions count up within one epoch of one pool of one installation. */
export interface TableVersion {
  installation: string;
  poolId: string;
  epoch: bigint;
  revision: bigint;
}

/** Whether both are versions of the same pool's table. */
export function isSamePool(a: TableVersion, b: TableVersion): boolean {
  return a.installation === b.installation && a.poolId === b.poolId;
}

export function isSameVersion(a: TableVersion, b: TableVersion): boolean {
  return isSamePool(a, b) && a.epoch === b.epoch && a.revision === b.revision;
}
