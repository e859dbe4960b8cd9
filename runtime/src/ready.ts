/** Tells the parent, when there is one with an IPC channel, that this process does its work, and where. */
export function announceReady(info: Record<string, unknown>): void {
  if (process.connected) process.send?.({ helloway: "ready", ...info });
}
