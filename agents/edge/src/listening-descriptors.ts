// Whether a descriptor is what a supervisor is to pass: a TCP socket that listens. The kernel's own list says so; to open anything else
// as one would take it from whoever has it, which may be Node itself.
import { readFileSync, readlinkSync } from "node:fs";

/** As /proc/net/tcp has it. */
const LISTEN_STATE = "0A";
const STATE_FIELD = 3;
const INODE_FIELD = 9;

/** Of this process. False also for a descriptor that is not open. */
export function isListeningDescriptor(descriptor: number): boolean {
  const inode = inodeOf(descriptor);
  return inode !== null && ["tcp", "tcp6"].some((table) => listensIn(`/proc/self/net/${table}`, inode));
}

function inodeOf(descriptor: number): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1] ?? null;
  } catch {
    return null;
  }
}

function listensIn(table: string, inode: string): boolean {
  return readFileSync(table, "latin1")
    .split("\n")
    .some((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[STATE_FIELD] === LISTEN_STATE && fields[INODE_FIELD] === inode;
    });
}
