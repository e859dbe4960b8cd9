// Whether a descriptor can be what a supervisor is to pass: a TCP socket that listens. The kernel's own lists say so; to open anything
// else as one would take it from whoever has it, which may be Node itself.
import { readFileSync, readlinkSync } from "node:fs";

/** As /proc/net/tcp has it. */
const LISTEN_STATE = "0A";
const STATE_FIELD = 3;
const INODE_FIELD = 9;
/** Of /proc/net/unix. */
const UNIX_INODE_FIELD = 6;

/**
 * Those of this process's descriptors that are none. A socket that no list knows is taken for one: the lists are of the process's own
 * network, and a supervisor may have opened it in another.
 */
export function notListening(descriptors: readonly number[]): number[] {
  const listening = new Set<string>();
  const others = new Set<string>();
  for (const table of ["tcp", "tcp6", "udp", "udp6"]) {
    for (const fields of rowsOf(table)) {
      const isListening = table.startsWith("tcp") && fields[STATE_FIELD] === LISTEN_STATE;
      (isListening ? listening : others).add(fields[INODE_FIELD] ?? "");
    }
  }
  for (const fields of rowsOf("unix")) others.add(fields[UNIX_INODE_FIELD] ?? "");
  return descriptors.filter((each) => {
    const inode = inodeOf(each);
    return inode === null || (others.has(inode) && !listening.has(inode));
  });
}

/** null: it is no socket, or not open. */
function inodeOf(descriptor: number): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Empty where the system does not have such sockets. */
function rowsOf(table: string): string[][] {
  try {
    const lines = readFileSync(`/proc/self/net/${table}`, "latin1").split("\n");
    return lines.map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}
