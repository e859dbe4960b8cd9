/**
 * The protocols that a client offers, in its order: the list as it was sent, walked when somebody asks. A hello has room for 16,000
 * of them, and an object for each would hold a hundred times what the client sent.
 */
export class OfferedProtocols implements Iterable<Uint8Array> {
  /** Each with its length before it (RFC 7301, section 3.1); sound. */
  readonly bytes: Uint8Array;

  /** @param bytes a sound list, without its own length; it is kept. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.bytes.length === 0;
  }

  *[Symbol.iterator](): Generator<Uint8Array, undefined> {
    for (let at = 0; at < this.bytes.length; at += 1 + this.bytes[at]!) {
      yield this.bytes.subarray(at + 1, at + 1 + this.bytes[at]!);
    }
  }
}

export const noProtocols = new OfferedProtocols(new Uint8Array(0));
