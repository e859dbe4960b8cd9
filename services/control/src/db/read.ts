import { toDatabaseError } from "./connection-loss.ts";
import type { Db } from "./database.ts";

/** Runs reads outside a transaction; a database that is away becomes `unavailable`. */
export async function read<T>(db: Db, body: (db: Db) => Promise<T>): Promise<T> {
  try {
    return await body(db);
  } catch (error) {
    throw toDatabaseError(error);
  }
}
