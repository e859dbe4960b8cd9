// Makes the archive that new embedded databases are unpacked from: run it after PGlite was upgraded, and delete the old archive.
//   node services/control/tools/make-embedded-seed.ts
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { PGlite } from "@electric-sql/pglite";
import { seedArchivePath, seedWindowLog } from "../src/db/embedded-seed.ts";

const directory = await mkdtemp(path.join(tmpdir(), "helloway-seed-"));
try {
  const pglite = await PGlite.create({ dataDir: path.join(directory, "database") });
  await pglite.exec("checkpoint");
  const dump = await pglite.dumpDataDir("none");
  const tar = Buffer.from(await dump.arrayBuffer());
  await pglite.close();
  const archive = zstdCompressSync(tar, {
    params: {
      [constants.ZSTD_c_compressionLevel]: 19,
      [constants.ZSTD_c_enableLongDistanceMatching]: 1,
      [constants.ZSTD_c_windowLog]: seedWindowLog,
    },
  });
  const target = await seedArchivePath();
  await writeFile(target, archive);
  process.stdout.write(`${target}: ${archive.length} bytes from ${tar.length}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}
