import { open, type FileHandle } from "node:fs/promises";
import { ToldError } from "@helloway/runtime/told-error";
import { readCountryDatabase, type CountryDatabase } from "./country-database.ts";

/** City files have about 130 MB. What is far larger is another kind of file, and would take the relay's memory. */
const FILE_BYTES_MAX = 1_073_741_824;

/** Reads the file once, into memory that threads can share. Rejects with a ToldError that names the path and the problem. */
export async function openCountryDatabase(path: string): Promise<CountryDatabase> {
  try {
    await using file = await open(path, "r");
    return readCountryDatabase(await readShared(file));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ToldError(`The country database ${path} cannot be used: ${detail}`, { cause: error });
  }
}

async function readShared(file: FileHandle): Promise<Uint8Array> {
  const stat = await file.stat();
  if (!stat.isFile()) throw new Error("it is no file.");
  if (stat.size > FILE_BYTES_MAX) throw new Error(`it has ${stat.size} bytes, over the limit of ${FILE_BYTES_MAX}.`);
  const bytes = new Uint8Array(new SharedArrayBuffer(stat.size));
  for (let at = 0; at < bytes.length;) {
    // A file that is replaced in place may have become shorter meanwhile.
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, at);
    if (bytesRead === 0) throw new Error("it became shorter while it was read.");
    at += bytesRead;
  }
  return bytes;
}
