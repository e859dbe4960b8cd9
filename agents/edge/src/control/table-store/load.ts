import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { HeldTable } from "../held-table.ts";
import { readBase } from "./base.ts";
import { replayJournal } from "./journal.ts";

/** Generations of the files in a table directory, ascending. A journal continues the base of its generation. */
export interface SavedGenerations {
  bases: number[];
  journals: number[];
}

export interface LoadedTable {
  /** null: nothing saved that can be used. */
  table: HeldTable | null;
  /** Higher than that of every file there. */
  nextGeneration: number;
  /** One whole base and nothing else to replay. */
  compact: boolean;
  brokenBases: number[];
  /** What was found broken, for the log. */
  problems: string[];
}

export function basePath(directory: string, generation: number): string {
  return join(directory, `base-${String(generation).padStart(12, "0")}`);
}

export function journalPath(directory: string, generation: number): string {
  return join(directory, `journal-${String(generation).padStart(12, "0")}`);
}

/** Makes the directory when absent, and removes what a crash left half written. */
export async function listGenerations(directory: string): Promise<SavedGenerations> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found: SavedGenerations = { bases: [], journals: [] };
  for (const name of await readdir(directory)) {
    const [, kind, digits] = /^(base|journal)-(\d{12})$/.exec(name) ?? [];
    if (kind === "base") found.bases.push(Number(digits));
    else if (kind === "journal") found.journals.push(Number(digits));
    else if (name.endsWith(".tmp")) await rm(join(directory, name), { force: true }).catch(() => undefined);
  }
  found.bases.sort((a, b) => a - b);
  found.journals.sort((a, b) => a - b);
  return found;
}

/**
 * The newest table that the directory's files prove: the newest base that is whole, and the journals from its generation on as far
 * as they are valid and fit. A broken base is bridged by the journals of the base before it.
 */
export async function loadTable(directory: string): Promise<LoadedTable> {
  const { bases, journals } = await listGenerations(directory);
  const nextGeneration = Math.max(0, ...bases, ...journals) + 1;
  const brokenBases: number[] = [];
  const problems: string[] = [];
  for (const generation of bases.toReversed()) {
    const table = await readOr(problems, basePath(directory, generation), readBase);
    if (table === null) {
      brokenBases.push(generation);
      problems.push(`${basePath(directory, generation)} is broken`);
      continue;
    }
    let replayed = 0;
    for (const journal of journals) {
      if (journal < generation) continue;
      const path = journalPath(directory, journal);
      const result = await readOr(problems, path, (file) => replayJournal(file, table));
      replayed += result?.edits ?? 1;
      if (result?.whole === false) problems.push(`${path} is valid only up to its record ${result.edits}`);
    }
    return { table, nextGeneration, compact: replayed === 0 && problems.length === 0, brokenBases, problems };
  }
  return { table: null, nextGeneration, compact: bases.length === 0, brokenBases, problems };
}

async function readOr<T>(problems: string[], path: string, read: (path: string) => Promise<T>): Promise<T | null> {
  try {
    return await read(path);
  } catch (error) {
    problems.push(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}
