import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { ToldError } from "./told-error.ts";

/**
 * What to say when listening failed: the address, the variable that set it, and on Linux the process that holds it.
 * Errors of other kinds are described as they are.
 */
export function describeListenError(error: unknown, variable: string, address: string): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  switch (code) {
    case "EADDRINUSE": {
      const holder = portHolder(port);
      const by = holder === null ? "" : ` by pid ${holder.pid} (${holder.command})`;
      return new ToldError(
        `${address} (${variable}) is already in use${by}: stop that, or set ${variable} to another address`,
        { cause: error },
      );
    }
    case "EACCES":
      return new ToldError(
        `${address} (${variable}) may not be listened on by this user: ports below 1024 need CAP_NET_BIND_SERVICE, or set ${variable} to a higher one`,
        { cause: error },
      );
    case "EADDRNOTAVAIL":
      return new ToldError(`${address} (${variable}) is not an address of this machine`, { cause: error });
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new ToldError(`${address} (${variable}) cannot be listened on: ${reason}`, { cause: error });
    }
  }
}

/** The process that listens on the TCP port, where /proc tells; null elsewhere, and for another user's process. */
function portHolder(port: number): { pid: number; command: string } | null {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const entry of readOr([], () => readdirSync("/proc"))) {
    if (!/^\d+$/.test(entry)) continue;
    for (const descriptor of readOr([], () => readdirSync(`/proc/${entry}/fd`))) {
      const target = readOr("", () => readlinkSync(`/proc/${entry}/fd/${descriptor}`));
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      return { pid: Number(entry), command: commandOf(entry) };
    }
  }
  return null;
}

/** Of sockets in state LISTEN (0A) on the port: see proc_net_tcp in the kernel's documentation. */
function listeningInodes(port: number): Set<string> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readOr("", () => readFileSync(table, "utf8"))
      .split("\n")
      .slice(1)) {
      const fields = line.trim().split(/\s+/);
      const localPort = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      if (localPort === port && fields[3] === "0A" && fields[9] !== undefined) inodes.add(fields[9]);
    }
  }
  return inodes;
}

/** The program and what it was asked to do, which tells one Helloway process from another; for strangers the program's name. */
function commandOf(pid: string): string {
  const words = readOr("", () => readFileSync(`/proc/${pid}/cmdline`, "utf8")).split("\0");
  const script = words.findIndex((word) => /helloway(\.cjs|\.js|\.ts)?$/.test(word));
  if (script >= 0) return `helloway ${words[script + 1] ?? ""}`.trim();
  return readOr("unknown", () => readFileSync(`/proc/${pid}/comm`, "utf8")).trim();
}

function readOr<T>(fallback: T, read: () => T): T {
  try {
    return read();
  } catch {
    return fallback;
  }
}
