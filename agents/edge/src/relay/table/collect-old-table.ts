// A large table that another one took the place of is collected at once and beside the work, instead of late and in one go. V8 lowers
// the heap's limit when a thread has little to do, and then finds what a swap left behind far above it as soon as something is
// allocated again, as by the next update: it marks the whole heap and does nothing else meanwhile, 100 to 200 ms for 100,000 routes.
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";

/** Nobody has the old table in hand any more. */
const AFTER_MS = 20;
/**
 * Beyond 64 MiB of memory outside of the heap V8 begins to mark. The system gives none of it, since nobody writes there. It is given
 * back at once: as long as there is too much of it, each buffer that is made costs a step of marking of 5 to 10 ms.
 */
const OUTSIDE_BYTES = 65 * 1024 * 1024;
/** Marking takes about 300 ms for 100,000 routes on a quiet machine. */
const COLLECTED_MAX_MS = 1_000;

/** Resolves when it is done, or takes too long: much that is allocated before would make it one go after all. */
export async function collectOldTable(): Promise<void> {
  await pause(AFTER_MS, undefined, { ref: false });
  const collected = nextMajorCollection();
  try {
    new ArrayBuffer(OUTSIDE_BYTES).transfer(0);
  } catch {
    // A system that promises no more memory than it has: V8 collects when it wants to.
    return;
  }
  await collected;
}

async function nextMajorCollection(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const observer = new PerformanceObserver((list) => {
    if ((list.getEntries() as GcEntry[]).some(isMajor)) resolve();
  });
  observer.observe({ entryTypes: ["gc"] });
  const overdue = setTimeout(resolve, COLLECTED_MAX_MS);
  overdue.unref();
  await promise;
  clearTimeout(overdue);
  observer.disconnect();
}

/** What Node makes of a collection; its types do not have it. */
interface GcEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

function isMajor({ detail }: GcEntry): boolean {
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
