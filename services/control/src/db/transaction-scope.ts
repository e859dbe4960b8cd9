import { AsyncLocalStorage } from "node:async_hooks";

// The embedded database is one session: a query outside the transaction that is running would wait for it for ever, and on Postgres
// the same mistake drains the pool or reads what the transaction has not committed. Both refuse it at once instead.

const scope = new AsyncLocalStorage<{ open: boolean }>();

/** Runs the body of a transaction so that assertOutsideTransaction() throws in all that it awaits. */
export async function inTransactionScope<T>(body: () => Promise<T>): Promise<T> {
  const state = { open: true };
  try {
    return await scope.run(state, body);
  } finally {
    state.open = false;
  }
}

/** Throws when called from within the body of a running transaction. */
export function assertOutsideTransaction(): void {
  if (scope.getStore()?.open === true) {
    throw new Error("The outer database was used inside a transaction: pass the transaction (tx) down instead.");
  }
}
