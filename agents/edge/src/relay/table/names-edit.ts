import type { BarrierNames } from "@helloway/routing/name-table";
import type { ServedRoute } from "./served-route.ts";

/** What one change of a table comes to: the names to put and to remove. */
export interface NamesEdit {
  /** Uids of the routes that it offers. */
  readonly touched: string[];
  /** What they claim and what is claimed no longer: only there may other routes come to hold or keep something else. */
  readonly hostnames: Set<string>;
  readonly put: ServedRoute[];
  readonly remove: Set<string>;
  readonly putBarriers: BarrierNames[];
  readonly removeBarriers: Set<string>;
}

export function createNamesEdit(removeBarriers: readonly string[]): NamesEdit {
  return {
    touched: [],
    hostnames: new Set(),
    put: [],
    remove: new Set(),
    putBarriers: [],
    removeBarriers: new Set(removeBarriers),
  };
}
