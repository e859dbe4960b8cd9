import { ToldError } from "@helloway/runtime/told-error";

export interface BackgroundTask {
  /** Says in a message what has ended. */
  name: string;
  /** Ends with the signal, and not before. */
  run: (signal: AbortSignal) => Promise<void>;
}

/**
 * Runs all until the signal aborts, and resolves when all have ended. The first that ends before, in whatever way, ends the others;
 * then this throws with the reason.
 */
export async function runTogether(tasks: readonly BackgroundTask[], signal: AbortSignal): Promise<void> {
  const ending = new AbortController();
  const either = AbortSignal.any([signal, ending.signal]);
  const failures: Error[] = [];
  // What fails because everything ends is no reason.
  const fail = (name: string, why: string, cause?: unknown): void => {
    if (either.aborted) return;
    failures.push(new ToldError(`${name} ended unexpectedly${why}`, { cause }));
    ending.abort();
  };
  await Promise.all(
    tasks.map(async ({ name, run }) => {
      try {
        await run(either);
        fail(name, "");
      } catch (error) {
        fail(name, error instanceof Error ? `: ${error.message}` : "", error);
      }
    }),
  );
  for (const failure of failures) throw failure;
}
