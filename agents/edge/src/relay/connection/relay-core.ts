import type { DialShared } from "../backend/dial.ts";
import type { RelayOptions } from "../relay-options.ts";
import type { Table } from "../table/table.ts";
import type { Traffic } from "../traffic.ts";
import type { Connection } from "./connection.ts";
import type { UndecidedBudget } from "./undecided-budget.ts";

/** What the connections of one engine share. */
export interface RelayCore extends DialShared, Pick<RelayOptions, "bootId" | "log"> {
  readonly onClose: RelayOptions["onClose"];
  readonly traffic: Traffic;
  readonly budget: UndecidedBudget;
  /** Accepted and not closed. */
  readonly open: Set<Connection>;
  /** A connection closed. */
  ended(connection: Connection): void;
  /** New connections are refused. */
  draining: boolean;
  /** null: nothing to serve. */
  table(): Table | null;
}
