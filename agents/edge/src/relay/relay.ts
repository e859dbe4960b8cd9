// The seam between the agent's control side and its data plane. What is above it may not know which engine is below:
// objects cross it as the opaque bytes that the control plane sent, and counters as plain numbers since the engine started.
//
// Invariants every engine holds:
// - apply() checks an update aside and swaps once; established connections never notice.
// - Every accepted connection gets exactly one close reason; opened - closed = active for every key, at any moment.
// - Nothing that a client, a backend or an update contains makes it throw or stop.
import type { CloseReason } from "@helloway/routing/close-reason";

export type TableObjectKind = "route" | "barrier" | "settings";

export interface TableObject {
  kind: TableObjectKind;
  /** The route's uid; the domain's id for a barrier; "settings" for the pool's settings. */
  id: string;
  /** An encoded Route, Barrier or PoolSettings of proto/helloway/edge/v1/table.proto. */
  body: Uint8Array;
  /** SHA-256 of body, 32 bytes, already verified by the caller. */
  hash: Uint8Array;
}

export interface ObjectRef {
  kind: TableObjectKind;
  id: string;
}

export interface TableUpdate {
  /** True: these objects are the whole table and everything else goes. False: they are added or replaced. */
  snapshot: boolean;
  objects: readonly TableObject[];
  /** Empty for a snapshot. */
  removals: readonly ObjectRef[];
  /** Last good versions of refused objects, from disk; only with a snapshot at start. */
  kept?: readonly TableObject[];
}

/** One object of the table that the engine does not serve as offered. */
export interface RefusedObject extends ObjectRef {
  offeredHash: Uint8Array;
  /** The earlier version that is served instead, with its bytes so that it survives a restart; null: none. */
  kept: TableObject | null;
  /** snake_case, stable: `backend_not_allowed`, `unsupported_feature`, `unreadable`, ... */
  code: string;
  detail: string;
}

export interface ApplyResult {
  /** Every object of the table now refused, earlier refusals that still stand included. */
  refused: RefusedObject[];
}

export interface BackendCounters {
  attempts: number;
  failures: number;
  /** Connections forwarded to it, and those of them that ended. */
  opened: number;
  closed: number;
  rxBytes: number;
  txBytes: number;
}

export interface RouteCounters {
  opened: number;
  /** By close reason; reasons that never happened are absent. Their sum is what closed. */
  closed: Partial<Record<CloseReason, number>>;
  /** Bytes read from clients, those of open connections up to now included. */
  rxBytes: number;
  /** Bytes that clients' sockets accepted. */
  txBytes: number;
  /** Connections that a limit in the mode observe would have refused or slowed down. */
  overLimit: number;
  /** By "host:port" of the backend as in the route. */
  backends: Map<string, BackendCounters>;
}

/** Everything since the engine started; only ever grows, but for the gauge and what forget() has taken away. */
export interface Counters {
  accepted: number;
  /** Gauge: accepted and neither routed nor refused yet. */
  undecided: number;
  /** By route uid; "-" holds refusals without a route. */
  routes: Map<string, RouteCounters>;
}

/** What forget() has taken away. */
export interface ForgottenCounters {
  /** Uids; with all of their backends. */
  routes: string[];
  /** By the uid of a route that stays: "host:port" of backends. */
  backends: Map<string, string[]>;
}

export interface CutSelector {
  /** Absent: all routes. */
  routeUid?: string;
}

export interface DrainOptions {
  /** By then every connection is closed; the second half of it closes what is left, spread out. 0: at once. */
  timeoutMs: number;
}

/** What one finished connection did; the access log line of docs and contract. */
export interface ConnectionRecord {
  /** When it ended: RFC 3339, UTC, milliseconds. */
  ts: string;
  /** The edge's name. */
  edge: string;
  /** Connection id, unique within the boot. */
  conn: string;
  listener: string;
  src: string;
  sport: number;
  /** As received, escaped to printable ASCII; null: none or not known. At most its first 512 bytes, then "... N more". */
  sni: string | null;
  /** Offers in the client's order, escaped alike. At most 32, of 1,024 characters together, then an entry "... N more". */
  alpn: string[];
  tlsVersions: string[];
  /** "team/name", "@noSni", "@unmatched" or "-". */
  route: string;
  backend: string | null;
  helloMs: number | null;
  connectMs: number | null;
  durationMs: number;
  rx: number;
  tx: number;
  reason: CloseReason;
  ech: boolean;
  pq: boolean;
}

export interface ListenerAddress {
  address: string;
  port: number;
}

/** Where to accept. */
export type ListenerSpec = (ListenerAddress | PassedListener) & {
  /** Connections begin with a PROXY header, from the sources that the engine's options trust. */
  proxy?: boolean;
};

/** Listening sockets that a supervisor has bound and passed on. Each is accepted from by one worker; workers take them in turn. */
export interface PassedListener {
  /** As the supervisor calls it. */
  name: string;
  descriptors: readonly number[];
}

export interface Relay {
  /** Binds the listeners and accepts; rejects with the system error. Before the first apply every connection is refused (50, `no_table`). */
  listen(): Promise<void>;
  /** Where it accepts: IP addresses and ports as bound; empty before listen(). */
  readonly listeners: readonly ListenerAddress[];
  /** Rejects when the update was not taken; the table is what it was. */
  apply(update: TableUpdate): Promise<ApplyResult>;
  /** What the edge is called from now on, in the PROXY headers that tell it. */
  setEdgeName(name: string): Promise<void>;
  counters(): Promise<Counters>;
  /**
   * Says that these counters, of an earlier counters(), are kept elsewhere for good, so that routes and backends which come and go do
   * not stay in the engine for ever. Of routes that are served nowhere and have nothing open, and of backends that have nothing open, it
   * then takes away what is the same as in there, as it sees fit: counters() does not tell it any more, or, should it be back, from 0.
   * The failure of a dial that had begun before that is then told without its attempt.
   */
  forget(kept: Counters): ForgottenCounters;
  /** Cuts established connections (`cut`); how many. */
  cut(selector: CutSelector): Promise<number>;
  /**
   * Refuses new connections (50, `draining`) on listeners that stay open, lets the rest end, closes what is left (`drained`). Of
   * sockets that were passed it closes its own copies, for good, and refuses nobody.
   */
  drain(options: DrainOptions): Promise<void>;
  /** Ends a drain: new connections are served again, other than on sockets that were passed. */
  resume(): Promise<void>;
  /** Whether a table is being served. */
  serving(): boolean;
  /** Closes listeners and every connection (`drained`). */
  close(): Promise<void>;
  /** Rejects when the engine cannot go on as it should and only a new process helps: drain it, then end. Never resolves. */
  readonly failed: Promise<never>;
}
