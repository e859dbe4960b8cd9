// A large table that another one took the place of is collected soon and beside the work, instead of at once and late. V8 lowers the
// heap's limit when a thread has been idle, and finds what a swap left behind far above it in the middle of the next swap: then it
// marks the whole heap in one go, which takes 100 to 200 ms for 100,000 routes.

/** Nobody has the old table in hand any more. */
const AFTER_MS = 100;
/** Beyond 64 MiB of memory outside of the heap V8 begins to mark. The system gives none of it, since nobody writes there. */
const OUTSIDE_BYTES = 65 * 1024 * 1024;

let timer: NodeJS.Timeout | null = null;

/** Has V8 begin to mark this thread's heap shortly; asked again before that, it is put off. */
export function markSoon(): void {
  if (timer) clearTimeout(timer);
  timer = setTimeout(() => {
    timer = null;
    try {
      void new ArrayBuffer(OUTSIDE_BYTES);
    } catch {
      // A system that promises no more than it has: it is collected later.
    }
  }, AFTER_MS);
  timer.unref();
}
