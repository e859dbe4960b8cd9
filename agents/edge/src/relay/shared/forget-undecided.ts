import { setTimeout as sleep } from "node:timers/promises";
import { type BudgetMemory, BudgetSources } from "./budget-sources.ts";
import { MAIN_THREAD } from "./worker-lock.ts";

const RETRY_MS = 1;

/**
 * Gives back what the undecided connections of a worker held. For the main thread, once the worker's thread has ended and
 * before another one gets its number. Does not wait for the lock on the spot: it may be held by a second worker that died, of
 * which the main thread has not heard yet.
 */
export async function forgetUndecided(memory: BudgetMemory, worker: number): Promise<void> {
  const sources = new BudgetSources(memory, MAIN_THREAD);
  while (!sources.lock.takeFrom(worker) && !sources.lock.tryAcquire()) await sleep(RETRY_MS);
  try {
    sources.forget(worker);
  } finally {
    sources.lock.release();
  }
}
