import { randomUUID } from "node:crypto";
import { chmod, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConfigError } from "./environment.ts";

/** The absolute path of the data directory: made when absent, closed to everybody else (0700), writable. Throws ConfigError. */
export async function prepareDataDirectory(path: string): Promise<string> {
  const directory = resolve(path);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (((await stat(directory)).mode & 0o077) !== 0) await chmod(directory, 0o700);
    const probe = join(directory, `.probe-${randomUUID()}`);
    await writeFile(probe, "");
    await rm(probe);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([`HELLOWAY_DATA_DIR: ${directory} cannot be used as the data directory: ${reason}`]);
  }
  return directory;
}
