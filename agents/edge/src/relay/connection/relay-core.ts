import type { DialShared } from "../backend/dial.ts";
import type { CountryDatabase } from "../geo/country-database.ts";
import type { RouteLimiter } from "../limits/route-limiter.ts";
import type { ConnectionRecord } from "../relay.ts";
import type { RelayOptions } from "../relay-options.ts";
import type { OpenSockets } from "../shared/open-sockets.ts";
import type { Traffic } from "../shared/traffic.ts";
import type { UndecidedBudget } from "../shared/undecided-budget.ts";
import type { Table } from "../table/table.ts";
import type { Connection } from "./connection.ts";
import type { DiallingBytes } from "./dialling-bytes.ts";
import type { EvictedClients } from "./evicted-clients.ts";

/** What the connections of one worker share. */
export interface RelayCore extends DialShared {
  /** What the ids of connections begin with: unique for every worker that ever was. */
  readonly idPrefix: string;
  readonly log: RelayOptions["log"];
  /** Whether debug lines are wanted. */
  readonly debug: boolean;
  /** null: nobody wants to know. */
  readonly onClose: ((record: ConnectionRecord) => void) | null;
  readonly traffic: Traffic;
  readonly sockets: OpenSockets;
  readonly budget: UndecidedBudget;
  readonly dialling: DiallingBytes;
  readonly evicted: EvictedClients;
  readonly limiter: RouteLimiter;
  /** null: there is no database. */
  readonly countries: CountryDatabase | null;
  /** Accepted and not closed. */
  readonly open: Set<Connection>;
  /** A connection closed. */
  ended(connection: Connection): void;
  /** New connections are refused. */
  draining: boolean;
  edgeName: string;
  /** null: nothing to serve. */
  table(): Table | null;
}
