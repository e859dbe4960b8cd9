// Objects of a table as one piece of shared memory. A clone of 100,000 objects would stop a worker for a third of a second; this
// is one message, and a worker reads it in slices.
//
// Per object: kind 1, length of the id 2, length of the body 4, hash 32, then id and body. Bodies and hashes of a whole table are not
// copied again: the objects that a worker keeps point into this memory, which all workers have in common.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { TableObject, TableObjectKind } from "../relay.ts";

export interface EncodedObjects {
  count: number;
  memory: SharedArrayBuffer;
}

const kinds: readonly TableObjectKind[] = ["route", "barrier", "settings"];
const HASH_BYTES = 32;
const HEADER_BYTES = 1 + 2 + 4 + HASH_BYTES;
/** Well below the 10 ms that a slice may take. */
const SLICE_OBJECTS = 500;

export function encodeObjects(objects: readonly TableObject[]): EncodedObjects {
  let length = 0;
  for (const { id, body } of objects) length += HEADER_BYTES + Buffer.byteLength(id) + body.length;
  const memory = new SharedArrayBuffer(length);
  const bytes = Buffer.from(memory);
  let at = 0;
  for (const { kind, id, body, hash } of objects) {
    bytes[at] = kinds.indexOf(kind);
    const idBytes = bytes.write(id, at + HEADER_BYTES);
    bytes.writeUInt16LE(idBytes, at + 1);
    bytes.writeUInt32LE(body.length, at + 3);
    bytes.set(hash, at + 7);
    at += HEADER_BYTES + idBytes;
    bytes.set(body, at);
    at += body.length;
  }
  return { count: objects.length, memory };
}

/**
 * @param own whether each gets memory of its own: of a part of a table some may stay for long while the others are replaced, and any
 *   of them would keep all of the memory.
 */
export async function decodeObjects({ count, memory }: EncodedObjects, own: boolean): Promise<TableObject[]> {
  const bytes = Buffer.from(memory);
  const objects: TableObject[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (i > 0 && i % SLICE_OBJECTS === 0) await nextTurn();
    const object = new EncodedObject(bytes, at);
    objects.push(own ? object.copied() : object);
    at = object.end;
  }
  return objects;
}

/** A place in memory: views of it are made when they are asked for, since a worker keeps 100,000 objects and reads few again. */
class EncodedObject implements TableObject {
  readonly kind: TableObjectKind;
  readonly id: string;
  /** All of the memory. */
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #bodyAt: number;

  constructor(bytes: Buffer, at: number) {
    this.kind = kinds[bytes[at]!]!;
    this.#bytes = bytes;
    this.#at = at;
    this.#bodyAt = at + HEADER_BYTES + bytes.readUInt16LE(at + 1);
    this.id = bytes.toString("utf8", at + HEADER_BYTES, this.#bodyAt);
  }

  copied(): EncodedObject {
    const copy = Buffer.allocUnsafeSlow(this.end - this.#at);
    this.#bytes.copy(copy, 0, this.#at, this.end);
    return new EncodedObject(copy, 0);
  }

  get end(): number {
    return this.#bodyAt + this.#bytes.readUInt32LE(this.#at + 3);
  }

  get body(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bodyAt, this.end - this.#bodyAt);
  }

  get hash(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#at + 7, HASH_BYTES);
  }
}
