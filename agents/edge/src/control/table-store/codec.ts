// The payloads of saved tables. Hashes are not saved but computed anew from the bodies, so the digest that is saved checks all.
import type { ObjectRef, RefusedObject, TableObject } from "../../relay/relay.ts";
import { kindNumber, kindOf } from "../object-kind.ts";
import { sha256 } from "../sha256.ts";
import type { TableVersion } from "../table-version.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

export function writeVersion(writer: ByteWriter, version: TableVersion): void {
  writer.text(version.installation);
  writer.text(version.poolId);
  writer.u64(version.epoch);
  writer.u64(version.revision);
}

export function readVersion(reader: ByteReader): TableVersion {
  return {
    installation: reader.text(),
    poolId: reader.text(),
    epoch: reader.u64(),
    revision: reader.u64(),
  };
}

export function writeRef(writer: ByteWriter, ref: ObjectRef): void {
  writer.u8(kindNumber(ref.kind));
  writer.text(ref.id);
}

export function readRef(reader: ByteReader): ObjectRef {
  const number = reader.u8();
  const kind = kindOf(number);
  if (kind === null) throw new RangeError(`no kind of object has the number ${number}`);
  return { kind, id: reader.text() };
}

export function writeObject(writer: ByteWriter, object: TableObject): void {
  writeRef(writer, object);
  writer.bytes(object.body);
}

export function readObject(reader: ByteReader): TableObject {
  const { kind, id } = readRef(reader);
  const body = reader.bytes();
  return { kind, id, body, hash: sha256(body) };
}

export function writeRefused(writer: ByteWriter, refused: RefusedObject): void {
  writeRef(writer, refused);
  writer.bytes(refused.offeredHash);
  writer.u8(refused.kept === null ? 0 : 1);
  if (refused.kept !== null) writer.bytes(refused.kept.body);
  writer.text(refused.code);
  writer.text(refused.detail);
}

export function readRefused(reader: ByteReader): RefusedObject {
  const ref = readRef(reader);
  const offeredHash = reader.bytes();
  const keptBody = reader.u8() === 1 ? reader.bytes() : null;
  return {
    ...ref,
    offeredHash,
    kept: keptBody === null ? null : { ...ref, body: keptBody, hash: sha256(keptBody) },
    code: reader.text(),
    detail: reader.text(),
  };
}

export function writeList<T>(
  writer: ByteWriter,
  items: readonly T[],
  write: (writer: ByteWriter, item: T) => void,
): void {
  writer.u32(items.length);
  for (const item of items) write(writer, item);
}

export function readList<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const items: T[] = [];
  for (let left = reader.u32(); left > 0; left--) items.push(read(reader));
  return items;
}
