/** A second piece makes it a buffer of its own, of at least this. */
const CAPACITY_MIN = 1_024;
/** It grows by what it has, and by no more than this. */
const GROWTH_MAX = 65_536;

/**
 * What a client has sent so far, kept for the backend as one piece. Pieces are copied together, never kept one by one: a
 * buffer object costs hundreds of bytes, and a client may send single ones.
 */
export class ReceivedBytes {
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Of memory, for these and for what may come. */
  get heldBytes(): number {
    return this.#buffer.length;
  }

  /** The memory stays the caller's until the next append(). */
  append(piece: Uint8Array): void {
    if (this.#length === 0) {
      this.#buffer = piece;
      this.#length = piece.length;
      return;
    }
    const length = this.#length + piece.length;
    if (length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(CAPACITY_MIN, length + Math.min(length, GROWTH_MAX)));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    // A call for one byte costs more than the byte.
    if (piece.length === 1) this.#buffer[this.#length] = piece[0]!;
    else this.#buffer.set(piece, this.#length);
    this.#length = length;
  }

  /** Valid until the next append(). */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}
