import { PgTransaction } from "drizzle-orm/pg-core";
import { sqlState, toDatabaseError } from "./connection-loss.ts";
import { HellowayError } from "../errors.ts";
import type { Db, Tx } from "./database.ts";
import { inTransactionScope } from "./transaction-scope.ts";

/** Serialization failure, deadlock: nothing was done, and the same again usually works. */
const retried = new Set(["40001", "40P01"]);
const attemptsMax = 5;

/**
 * Runs the body in one transaction: all of it or nothing. Repeated from the start when the database asks for it, so the body must
 * have no other effects. Inside a transaction it is a savepoint of it. A database that is away becomes `unavailable`; when that
 * happens at the commit, the write may or may not have been done.
 */
export async function inTransaction<T>(db: Db, body: (tx: Tx) => Promise<T>): Promise<T> {
  if (db instanceof PgTransaction) return await db.transaction(body);
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction((tx) => inTransactionScope(() => body(tx)));
    } catch (error) {
      if (!retried.has(sqlState(error) ?? "")) throw toDatabaseError(error);
      if (attempt === attemptsMax) throw busy(error);
    }
  }
}

function busy(cause: unknown): HellowayError {
  const message = "Too many writes of the same things met. Nothing was done; try again in a moment.";
  return new HellowayError("unavailable", "database_busy", message, { cause, retryAfterSeconds: 1 });
}
