import type { Db, Tx } from "../db/database.ts";
import { inTransaction } from "../db/transaction.ts";

/** Carries the answer past the rollback. */
class TakenBack<T> extends Error {
  readonly answer: T;

  constructor(answer: T) {
    super("taken back");
    this.answer = answer;
  }
}

/** Runs the body in a transaction; of a dry run only the answer stays, which is exactly what the write would have answered. */
export async function dryRunOf<T>(db: Db, dryRun: boolean, body: (tx: Tx) => Promise<T>): Promise<T> {
  if (!dryRun) return await inTransaction(db, body);
  try {
    return await inTransaction(db, async (tx): Promise<T> => {
      throw new TakenBack(await body(tx));
    });
  } catch (error) {
    if (error instanceof TakenBack) return (error as TakenBack<T>).answer;
    throw error;
  }
}
