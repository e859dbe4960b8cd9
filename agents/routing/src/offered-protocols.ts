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

  /** @param protocols each of 1 to 255 bytes. */
  static of(protocols: readonly Uint8Array[]): OfferedProtocols {
    return new OfferedProtocols(Uint8Array.from(protocols.flatMap((each) => [each.length, ...each])));
  }

  get isEmpty(): boolean {
    return this.bytes.length === 0;
  }

  /** How many there are; counted when asked. */
  count(): number {
    const { bytes } = this;
    let count = 0;
    for (let at = 0; at < bytes.length; at += 1 + bytes[at]!) count++;
    return count;
  }

  /** The place of the first that is this protocol; -1: it is not offered. @param protocol one character a byte (latin1). */
  indexOf(protocol: string): number {
    const { bytes } = this;
    const { length } = protocol;
    const first = protocol.charCodeAt(0);
    let place = 0;
    for (let at = 0; at < bytes.length; at += 1 + bytes[at]!) {
      if (bytes[at] === length && bytes[at + 1] === first && isAt(bytes, at + 1, protocol)) return place;
      place++;
    }
    return -1;
  }

  /** Views of the list, each made when it is its turn. */
  *[Symbol.iterator](): Generator<Uint8Array, undefined> {
    for (let at = 0; at < this.bytes.length; at += 1 + this.bytes[at]!) {
      yield this.bytes.subarray(at + 1, at + 1 + this.bytes[at]!);
    }
  }
}

export const noProtocols = new OfferedProtocols(new Uint8Array(0));

function isAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
