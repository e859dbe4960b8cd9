import { readFileSync } from "node:fs";

export interface TcpTimer {
  /** What the kernel next does by itself. */
  kind: "keepalive" | "other" | "none";
  dueMs: number;
}

/** proc(5) counts in hundredths of a second, whatever the kernel does. */
const TICK_MS = 10;

/** Of one end of a connection on 127.0.0.1, as /proc/net/tcp has it. undefined: there is no such end. */
export function timerOf(localPort: number, remotePort: number): TcpTimer | undefined {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");
  const ends = ` 0100007F:${hex(localPort)} 0100007F:${hex(remotePort)} `;
  const line = readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .find((each) => each.includes(ends));
  const timer = line?.trim().split(/\s+/)[5]?.split(":");
  if (timer === undefined) return undefined;
  const [active, due] = timer as [string, string];
  const kind = active === "02" ? "keepalive" : active === "00" ? "none" : "other";
  return { kind, dueMs: parseInt(due, 16) * TICK_MS };
}
