import type { ExtractTablesWithRelations } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT, PgTransaction } from "drizzle-orm/pg-core";

interface Rows<Row> {
  rows: Row[];
}

/** What both drivers answer to a raw query. */
interface RowsResult extends PgQueryResultHKT {
  type: Rows<this["row"]>;
}

type NoSchema = Record<string, never>;

/** The query builder: of the whole database, or of one transaction. */
export type Db = PgDatabase<RowsResult, NoSchema>;

/** A transaction: everything done through it happens, or nothing. */
export type Tx = PgTransaction<RowsResult, NoSchema, ExtractTablesWithRelations<NoSchema>>;

export interface ListenHandlers {
  onNotify(payload: string): void;
  /** The channel is listened to from now on; what was sent before is lost: read again. */
  onConnected(): void;
  /** Nothing arrives until the next onConnected. */
  onLost(error: unknown): void;
}

export interface Database {
  readonly kind: "postgres" | "embedded";
  readonly db: Db;
  /**
   * Rejects when the database has ended for good and only a new process helps (the embedded one's thread died).
   * A Postgres that is away comes back, so for it this stays pending. Never resolves.
   */
  readonly failed: Promise<never>;
  /** Calls the handlers for each NOTIFY on the channel until the signal aborts; comes back by itself after a loss, with backoff. */
  listen(channel: string, handlers: ListenHandlers, signal: AbortSignal): Promise<void>;
  /** Answers when the database does; throws `unavailable` otherwise. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
