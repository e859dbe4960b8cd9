import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ToldError } from "./told-error.ts";

/** Somebody else holds the directory. pid is null when the holder has not written it yet. */
export class DirectoryInUseError extends ToldError {
  readonly pid: number | null;
  readonly directory: string;

  constructor(name: string, directory: string, pid: number | null) {
    const holder = pid === null ? "another process" : `process ${pid}`;
    super(
      `${directory} is in use by a running \`helloway ${name}\` (${holder}): stop it, or set HELLOWAY_DATA_DIR to another directory`,
    );
    this.name = "DirectoryInUseError";
    this.pid = pid;
    this.directory = directory;
  }
}

export interface DirectoryLock extends AsyncDisposable {
  release(): void;
}

/**
 * Holds the directory for one process of that name, until released or until the process ends in whatever way.
 * The lock is SQLite's lock of the operating system on `<name>.lock.db`, so none is ever stale; `<name>.pid` beside it only
 * serves the message. Nothing else may open the lock file: closing any descriptor of it would drop the lock (POSIX fcntl).
 * Throws DirectoryInUseError.
 */
export async function lockDirectory(directory: string, name: string): Promise<DirectoryLock> {
  const pidFile = join(directory, `${name}.pid`);
  const database = new DatabaseSync(join(directory, `${name}.lock.db`), { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isBusy(error)) throw new DirectoryInUseError(name, directory, readPid(pidFile));
    throw error;
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    rmSync(pidFile, { force: true });
    database.close();
  };
  return { release, [Symbol.asyncDispose]: async () => release() };
}

/** SQLITE_BUSY, https://sqlite.org/rescode.html#busy */
function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 5;
}

function readPid(pidFile: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, "utf8"), 10);
    return Number.isInteger(pid) ? pid : null;
  } catch {
    return null;
  }
}
