import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { isConnectionLoss } from "./connection-loss.ts";
import type { Database, Db } from "./database.ts";
import { listenPostgres } from "./postgres-listen.ts";
import { read } from "./read.ts";
import { assertOutsideTransaction } from "./transaction-scope.ts";

/** Longer than the longest statement of ours on a table of 100,000 routes, shorter than a client waits. */
const statementTimeoutMs = 15_000;
/** When even the server's own limit brought no answer, the network is gone. */
const queryTimeoutMs = statementTimeoutMs + 5_000;
const connectTimeoutMs = 5_000;
const idleInTransactionTimeoutMs = 30_000;

export interface PostgresOptions {
  /** What pg_stat_activity shows. */
  applicationName: string;
  /** Connections in the pool. */
  max?: number;
}

// Of raw statements; a mapped column makes the same of either. Counts and revisions stay below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const casing = "snake_case";

/** drizzle takes a client for a pool by this class's name. */
class DatabasePool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(
    callback: (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void,
  ): void;
  override connect(
    callback?: (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void,
  ): Promise<pg.PoolClient> | undefined {
    assertOutsideTransaction();
    if (callback === undefined) return super.connect();
    super.connect(callback);
    return undefined;
  }
}

/**
 * A pool of connections to a Postgres. Opens nothing yet, so it never fails; connections are made when needed and again after a loss.
 * The URL is that of libpq; a Unix socket is `postgres://user@/database?host=/directory`.
 */
export function openPostgres(url: string, options: PostgresOptions): Database {
  const connection: pg.ClientConfig = {
    connectionString: url,
    application_name: options.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: queryTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    keepAlive: true,
    options: "-c timezone=UTC -c datestyle=iso",
  };
  const pool = new DatabasePool({ ...connection, max: options.max ?? 10 });
  // An idle connection that breaks is simply replaced.
  pool.on("error", () => {});
  pool.on("connect", (client) => {
    // One that breaks while checked out fails its query; without a listener the event would end the process as well.
    client.on("error", () => {});
    endAfterReadTimeout(client);
  });
  const db = drizzle(pool, { casing }) as unknown as Db;
  db.transaction = (body, config) => transactionOf(pool, (own) => own.transaction(body, config));
  return {
    kind: "postgres",
    db,
    failed: new Promise<never>(() => {}),
    listen: (channel, handlers, signal) => listenPostgres(connection, channel, handlers, signal),
    ping: () => read(db, async () => void (await pool.query("select 1"))),
    async close() {
      if (!pool.ending) await pool.end();
    },
  };
}

/** drizzle's own keeps the connection for ever when already `begin` fails on it, and so empties the pool while the server restarts. */
async function transactionOf<T>(pool: pg.Pool, run: (db: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  try {
    return await run(drizzle(client, { casing }));
  } catch (error) {
    broken = isConnectionLoss(error);
    throw error;
  } finally {
    client.release(broken);
  }
}

/** pg leaves a query that was given up running, and the pool would hand the connection to the next one, which waits behind it. */
function endAfterReadTimeout(client: pg.PoolClient): void {
  const send = client.query.bind(client) as (...input: unknown[]) => unknown;
  const query = (...input: unknown[]): unknown => {
    const result = send(...input);
    if (result instanceof Promise) {
      result.catch((error: unknown) => {
        if (error instanceof Error && error.message === "Query read timeout")
          (client as unknown as pg.Client).end(() => {});
      });
    }
    return result;
  };
  client.query = query as typeof client.query;
}
