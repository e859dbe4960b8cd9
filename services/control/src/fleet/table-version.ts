/** What a table is a state of. Comparable only within one installation and pool; there (epoch, revision) never goes back. */
export interface TableVersion {
  installation: string;
  poolId: string;
  epoch: number;
  revision: number;
}

/** Where a pool is now. */
export interface TableHead extends TableVersion {
  /** Of the table at that revision, 32 bytes. */
  digest: Uint8Array;
}

/** Negative: a is older. Of one installation and pool. */
export function compareVersions(
  a: Pick<TableVersion, "epoch" | "revision">,
  b: Pick<TableVersion, "epoch" | "revision">,
): number {
  return a.epoch - b.epoch || a.revision - b.revision;
}
