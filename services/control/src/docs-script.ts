import { readFile } from "node:fs/promises";

/** The script that draws /docs, from the installed package: the page then needs nothing from elsewhere. */
export async function readDocsScript(): Promise<Uint8Array> {
  return await readFile(new URL("browser/standalone.js", import.meta.resolve("@scalar/api-reference")));
}
