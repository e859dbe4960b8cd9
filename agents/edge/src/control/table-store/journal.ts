// A journal is the steps taken since a base, one record each, appended. Each names the version and digest it is a step from, so
// that steps are never replayed over a table they do not belong to.
import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../durable-file.ts";
import { type HeldTable, type TableEdit, applyEdit } from "../held-table.ts";
import { digestAfter } from "../table-digest.ts";
import { isSameVersion } from "../table-version.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import {
  readList,
  readObject,
  readRef,
  readRefused,
  readVersion,
  writeList,
  writeObject,
  writeRef,
  writeRefused,
  writeVersion,
} from "./codec.ts";
import { readRecords, toRecord } from "./record.ts";

const editTag = 10;

/** The record of one step. */
export function encodeEdit(edit: TableEdit): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(editTag);
  writeVersion(writer, edit.from.version);
  writer.bytes(edit.from.digest);
  writeVersion(writer, edit.version);
  writer.bytes(edit.digest);
  writeList(writer, edit.objects, writeObject);
  writeList(writer, edit.removals, writeRef);
  writer.u8(edit.refused === null ? 0 : 1);
  if (edit.refused !== null) writeList(writer, edit.refused, writeRefused);
  return toRecord(writer.finish());
}

function decodeEdit(payload: Uint8Array): TableEdit | null {
  try {
    const reader = new ByteReader(payload);
    if (reader.u8() !== editTag) return null;
    const from = { version: readVersion(reader), digest: reader.bytes() };
    const version = readVersion(reader);
    const digest = reader.bytes();
    const objects = readList(reader, readObject);
    const removals = readList(reader, readRef);
    const refused = reader.u8() === 1 ? readList(reader, readRefused) : null;
    reader.end();
    return { from, version, digest, objects, removals, refused };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * Takes the steps of the journal's longest valid prefix; `whole` tells whether that was the whole file.
 * Rejects when the file cannot be read.
 */
export async function replayJournal(path: string, table: HeldTable): Promise<{ edits: number; whole: boolean }> {
  const { payloads, whole } = readRecords(await readFile(path));
  let edits = 0;
  for (const payload of payloads) {
    const edit = decodeEdit(payload);
    if (edit === null || !isSameVersion(edit.from.version, table.version)) return { edits, whole: false };
    if (Buffer.compare(edit.from.digest, table.digest) !== 0) return { edits, whole: false };
    if (Buffer.compare(await digestAfter(table, edit), edit.digest) !== 0) return { edits, whole: false };
    applyEdit(table, edit);
    edits++;
  }
  return { edits, whole };
}

/** Appends records to one new journal. */
export class JournalFile {
  readonly #handle: FileHandle;
  #bytes = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Rejects with the system error, also when the file exists. */
  static async create(path: string): Promise<JournalFile> {
    const handle = await open(path, "wx", 0o600);
    await syncDirectory(dirname(path));
    return new JournalFile(handle);
  }

  /** Bytes appended so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when the records are on the disk. After a rejection the file may end in half a record: append no more to it. */
  async append(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) {
      await this.#handle.writeFile(record);
      this.#bytes += record.length;
    }
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
