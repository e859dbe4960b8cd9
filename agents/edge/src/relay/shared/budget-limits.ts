/** Of one edge, across its workers. */
export interface BudgetLimits {
  connectionsMax: number;
  bytesMax: number;
  sourceConnectionsMax: number;
  sourceBytesMax: number;
}

/** Bytes: 1,024 of the longest possible hellos at once; a source may have 64 of them in flight. */
export const defaultBudgetLimits: BudgetLimits = {
  connectionsMax: 16_384,
  bytesMax: 64 * 1024 * 1024,
  sourceConnectionsMax: 256,
  sourceBytesMax: (64 * 1024 * 1024) / 16,
};
