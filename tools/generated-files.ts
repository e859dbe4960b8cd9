import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { renderOpenApi } from "./render-openapi.ts";
import { repository } from "./repository.ts";
import { run } from "./run.ts";

/** One part of the repository that is made from something else and checked in. */
export interface GeneratedFiles {
  /** The directory that holds nothing else, or null when the files stand among others. */
  directory: string | null;
  /** By path from the root of the repository. */
  files: Map<string, string>;
}

/** Everything that `npm run generate` writes, made anew and not written yet. */
export async function generateFiles(): Promise<GeneratedFiles[]> {
  return [await generateProto(), { directory: null, files: new Map([["docs/openapi.json", await renderOpenApi()]]) }];
}

async function generateProto(): Promise<GeneratedFiles> {
  const directory = await mkdtemp(join(tmpdir(), "helloway-proto-"));
  try {
    await run("buf", ["lint"], "proto");
    await run("buf", ["generate", "-o", directory], "proto");
    const files = new Map<string, string>();
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(join("proto", relative(directory, path)), await readFile(path, "utf8"));
    }
    return { directory: "proto/src/gen", files };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What differs between the repository and what would be generated, one line each. */
export async function findDrift(generated: readonly GeneratedFiles[]): Promise<string[]> {
  const drift: string[] = [];
  for (const { directory, files } of generated) {
    for (const [path, text] of files) {
      const present = await readFile(join(repository, path), "utf8").catch(() => null);
      if (present === null) drift.push(`${path} is missing`);
      else if (present !== text) drift.push(`${path} is out of date`);
    }
    for (const path of directory === null ? [] : await filesBelow(directory)) {
      if (!files.has(path)) drift.push(`${path} is made from nothing any more`);
    }
  }
  return drift;
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(join(repository, directory), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(repository, join(entry.parentPath, entry.name)));
}
