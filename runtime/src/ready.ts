import { flushCompileCache } from "node:module";

/**
 * Tells the parent, when there is one with an IPC channel, that this process does its work, and where. What was compiled until now
 * is kept, so that the next start is quick even when this process is killed.
 */
export function announceReady(info: Record<string, unknown>): void {
  if (process.connected) process.send?.({ helloway: "ready", ...info });
  setImmediate(flushCompileCache);
}
