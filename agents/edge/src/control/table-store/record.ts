// How saved tables are cut into records: length (u32, little endian), CRC-32 of the length's four bytes and the payload (u32),
// payload. The length is under the checksum and zero is none, so a file of zeroes, a cut one and a flipped bit all end the
// valid prefix where they begin.
import { crc32 } from "node:zlib";

const headerBytes = 8;

/** Bounds what a broken length can make a reader believe; far above any record that is written. */
export const recordBytesMax = 64 * 1024 * 1024;

/** The record that holds the payload, 1 to recordBytesMax bytes. */
export function toRecord(payload: Uint8Array): Uint8Array {
  if (payload.length === 0 || payload.length > recordBytesMax) {
    throw new RangeError(`a record holds 1 to ${recordBytesMax} bytes, not ${payload.length}`);
  }
  const record = Buffer.allocUnsafe(headerBytes + payload.length);
  record.writeUInt32LE(payload.length, 0);
  record.writeUInt32LE(crc32(payload, crc32(record.subarray(0, 4))), 4);
  record.set(payload, headerBytes);
  return record;
}

export interface ReadRecords {
  /** Views of the file's bytes. */
  payloads: Uint8Array[];
  /** The file ends where the last valid record does. */
  whole: boolean;
}

/** The payloads of the longest valid prefix. */
export function readRecords(file: Uint8Array): ReadRecords {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const payloads: Uint8Array[] = [];
  let offset = 0;
  while (offset + headerBytes <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    if (length === 0 || length > recordBytesMax || offset + headerBytes + length > bytes.length) break;
    const payload = bytes.subarray(offset + headerBytes, offset + headerBytes + length);
    const checksum = crc32(payload, crc32(bytes.subarray(offset, offset + 4)));
    if (checksum !== bytes.readUInt32LE(offset + 4)) break;
    payloads.push(payload);
    offset += headerBytes + length;
  }
  return { payloads, whole: offset === bytes.length };
}
