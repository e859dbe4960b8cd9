import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { constants, zstdDecompress } from "node:zlib";
import { tarEntries } from "./tar-entries.ts";

// A new database directory is unpacked from an archive of an empty one instead of being initialised: 0.4 s instead of 4 s. The
// archive belongs to one version of PGlite (tools/make-embedded-seed.ts makes it); with another, PGlite initialises by itself.

/** log2 of the bytes a match may reach back when packing: 128 MiB, so that the three equal template databases are stored once. */
export const seedWindowLog = 27;

/** Where the archive for the installed PGlite is, whether it exists or not. */
export async function seedArchivePath(): Promise<string> {
  const wasm = createRequire(import.meta.url).resolve("@electric-sql/pglite/pglite.wasm");
  const manifest = await readFile(path.join(path.dirname(wasm), "../package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  return path.join(import.meta.dirname, `embedded-seed-${version}.tar.zst`);
}

/**
 * Makes an empty database in the directory when it holds none and the archive fits. What a process that was killed half way left is
 * thrown away: a directory with the final name is complete.
 */
export async function seedDirectory(directory: string): Promise<void> {
  if (await exists(directory)) return;
  const archive = await seedArchivePath();
  if (!(await exists(archive))) return;
  const unpack = promisify(zstdDecompress);
  const tar = await unpack(await readFile(archive), { params: { [constants.ZSTD_d_windowLogMax]: seedWindowLog } });

  const partial = `${directory}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  for (const entry of tarEntries(tar)) {
    const target = path.join(partial, entry.path);
    if (entry.body === null) await mkdir(target, { recursive: true, mode: 0o700 });
    else await writeFile(target, entry.body, { mode: 0o600 });
  }
  await rename(partial, directory);
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
