import { type Logger, createLogger } from "@helloway/runtime/logger";

/** A logger whose lines a test can read. */
export function collectedLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  return { log: createLogger({ level: "debug", format: "json", name: "test", destination }), lines };
}
