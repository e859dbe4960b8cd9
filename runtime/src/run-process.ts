import { ConfigError } from "./environment.ts";
import { ToldError } from "./told-error.ts";

/** Signals closer together are one request: a Ctrl-C in a terminal arrives from the terminal and, forwarded, from npm. */
const oneRequestMs = 500;

/** How long a process may take to end once its parent has gone; nobody is left to end it the hard way. */
const orphanEndTimeoutMs = 10_000;

/**
 * Runs a process to its end: main is to return soon after the signal aborts. SIGINT, SIGTERM and the end of the parent (its IPC
 * channel closing) abort; a second signal ends the process at once with 130. Exit code 0 when main returns, 1 when it throws;
 * everything that is said goes to standard error.
 */
export function runProcess(name: string, main: (signal: AbortSignal) => Promise<void>): void {
  const controller = new AbortController();
  let askedAt = Number.NEGATIVE_INFINITY;
  const onSignal = (): void => {
    if (controller.signal.aborted && performance.now() - askedAt > oneRequestMs) process.exit(130);
    if (!controller.signal.aborted) askedAt = performance.now();
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const onOrphaned = (): void => {
    controller.abort();
    setTimeout(() => process.exit(1), orphanEndTimeoutMs).unref();
  };
  process.once("disconnect", onOrphaned);
  // The parent may have gone while this process was still loading; without a channel at all, connected is undefined.
  if (isOrphan(process)) onOrphaned();
  // Whoever read our output may end first; that must not end us half way.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => undefined);
  }
  main(controller.signal).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(explain(name, error));
      process.exit(1);
    },
  );
}

function isOrphan(self: { connected?: boolean }): boolean {
  return self.connected === false;
}

function explain(name: string, error: unknown): string {
  if (error instanceof ConfigError) {
    const count = error.problems.length === 1 ? "a problem" : `${error.problems.length} problems`;
    return `helloway ${name}: not started, ${count} with the configuration:\n${error.problems.map((problem) => `  - ${problem}\n`).join("")}`;
  }
  if (error instanceof ToldError) return `helloway ${name}: ${error.message}\n`;
  return `helloway ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
