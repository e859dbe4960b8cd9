import { setTimeout as sleep } from "node:timers/promises";
import { SharedEntries, type SharedEntriesMemory } from "./shared-entries.ts";
import { MAIN_THREAD } from "./worker-lock.ts";

const RETRY_MS = 1;

/**
 * Gives back what a worker counted in a table. For the main thread, once the worker's thread has ended and before another one gets
 * its number; of nested tables the innermost first, because who waits in that one holds locks of the others. Does not wait for a
 * lock on the spot: it may be held by a second worker that died, of which the main thread has not heard yet.
 */
export async function forgetEntries(memory: SharedEntriesMemory, worker: number): Promise<void> {
  const entries = new SharedEntries(memory, MAIN_THREAD);
  let bucket = entries.forgetWorker(worker);
  while (bucket !== null) {
    await sleep(RETRY_MS);
    bucket = entries.forgetWorker(worker, bucket);
  }
}
