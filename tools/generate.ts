// Writes everything that is checked in and made from something else: `npm run generate`.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findDrift, generateFiles } from "./generated-files.ts";
import { repository } from "./repository.ts";

const generated = await generateFiles();
const drift = await findDrift(generated);
for (const { directory, files } of generated) {
  if (directory !== null) await rm(join(repository, directory), { recursive: true, force: true });
  for (const [path, text] of files) {
    await mkdir(dirname(join(repository, path)), { recursive: true });
    await writeFile(join(repository, path), text);
  }
}
console.log(
  drift.length === 0
    ? "everything was up to date"
    : drift.map((line) => line.replace(/ is .*/, ": written")).join("\n"),
);
