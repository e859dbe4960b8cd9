// The digest by which an edge and the control plane know that they mean the same table: the XOR of one entry an object, so
// that adding, replacing and removing an object is one XOR each and the order does not matter.

/** Passed in, because this package runs where node:crypto does not. 32 bytes out. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const DIGEST_BYTES = 32;
const utf8 = new TextEncoder();

/**
 * What one object adds to the digest of its table: SHA-256(kind, 0, id, 0, hash).
 * @param kind the number of the object's kind, one byte.
 * @param id as in the table, UTF-8 in the hash; without NUL bytes.
 * @param hash SHA-256 of the object's body.
 */
export function objectEntry(sha256: Sha256, kind: number, id: string, hash: Uint8Array): Uint8Array {
  const name = utf8.encode(id);
  const bytes = new Uint8Array(name.length + hash.length + 3);
  bytes[0] = kind;
  bytes.set(name, 2);
  bytes.set(hash, name.length + 3);
  return sha256(bytes);
}

/** The digest of a table without objects: 32 zero bytes. */
export function emptyDigest(): Uint8Array {
  return new Uint8Array(DIGEST_BYTES);
}

/** A new digest with the entry added, or removed if it was in. */
export function xorDigest(digest: Uint8Array, entry: Uint8Array): Uint8Array {
  if (digest.length !== DIGEST_BYTES || entry.length !== DIGEST_BYTES) {
    throw new RangeError(`Digests have ${DIGEST_BYTES} bytes, not ${digest.length} and ${entry.length}.`);
  }
  return digest.map((byte, i) => byte ^ entry[i]!);
}
