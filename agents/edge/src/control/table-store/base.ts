// A base is a whole table in one file: a header record, records of objects, records of refusals, an end record. It is written
// aside and renamed, so that a file of that name is whole unless the disk broke it, which checksums and digest tell.
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { RefusedObject, TableObject } from "../../relay/relay.ts";
import { syncDirectory } from "../durable-file.ts";
import type { HeldTable } from "../held-table.ts";
import { objectKey } from "../object-kind.ts";
import { digestAfter } from "../table-digest.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { readList, readObject, readRefused, readVersion, writeObject, writeRefused, writeVersion } from "./codec.ts";
import { readRecords, toRecord } from "./record.ts";

const formatName = "helloway table base 1";
const objectsTag = 2;
const refusedTag = 3;
const endTag = 4;

/** What is encoded between two turns of the event loop. */
const chunkBytes = 128 * 1024;

/**
 * Writes the table as it is at this moment; later changes to it do not reach the file. Resolves with the file's size.
 * Rejects with the system error, and then the file does not exist.
 */
export async function writeBase(path: string, table: HeldTable): Promise<number> {
  const header = new ByteWriter();
  header.text(formatName);
  writeVersion(header, table.version);
  header.bytes(table.digest);
  header.u32(table.objects.size);
  header.u32(table.refused.length);
  const objects = [...table.objects.values()];
  const refused = table.refused;
  const temporary = `${path}.tmp`;
  let size = 0;
  try {
    const handle = await open(temporary, "w", 0o600);
    try {
      const append = async (payload: Uint8Array): Promise<void> => {
        const record = toRecord(payload);
        await handle.writeFile(record);
        size += record.length;
      };
      await append(header.finish());
      for (const payload of chunks(objectsTag, objects, writeObject)) await append(payload);
      for (const payload of chunks(refusedTag, refused, writeRefused)) await append(payload);
      await append(Uint8Array.of(endTag));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
  return size;
}

/** The table of the file; null: broken or not a base. Rejects when the file cannot be read. */
export async function readBase(path: string): Promise<HeldTable | null> {
  const { payloads, whole } = readRecords(await readFile(path));
  if (!whole) return null;
  try {
    return await decodeBase(payloads);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

async function decodeBase(payloads: readonly Uint8Array[]): Promise<HeldTable | null> {
  const [first, ...rest] = payloads;
  const last = rest.pop();
  if (first === undefined || last?.length !== 1 || last[0] !== endTag) return null;
  const header = new ByteReader(first);
  if (header.text() !== formatName) return null;
  const version = readVersion(header);
  const digest = header.bytes();
  const objectCount = header.u32();
  const refusedCount = header.u32();
  header.end();
  const objects = new Map<string, TableObject>();
  const refused: RefusedObject[] = [];
  for (const payload of rest) {
    const reader = new ByteReader(payload);
    const tag = reader.u8();
    if (tag === objectsTag) for (const object of readList(reader, readObject)) objects.set(objectKey(object), object);
    else if (tag === refusedTag) refused.push(...readList(reader, readRefused));
    else return null;
    reader.end();
  }
  if (objects.size !== objectCount || refused.length !== refusedCount) return null;
  const computed = await digestAfter(null, { objects: [...objects.values()], removals: [] });
  return Buffer.compare(computed, digest) === 0 ? { version, digest, objects, refused } : null;
}

function* chunks<T>(
  tag: number,
  items: readonly T[],
  write: (writer: ByteWriter, item: T) => void,
): Generator<Uint8Array> {
  let start = 0;
  while (start < items.length) {
    const body = new ByteWriter();
    let end = start;
    while (end < items.length && body.length < chunkBytes) write(body, items[end++] as T);
    const chunk = new ByteWriter();
    chunk.u8(tag);
    chunk.u32(end - start);
    chunk.raw(body.finish());
    yield chunk.finish();
    start = end;
  }
}
