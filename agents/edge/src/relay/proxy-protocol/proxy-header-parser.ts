// The PROXY header before a client's first byte: wire bytes in, one verdict out. Sans-IO and incremental. Whether there is a
// header is configured, never guessed: only a listener that is set to it, and from a source that is trusted, may begin here.
//
// States: before the first byte -> in a line of text (version 1), or in a preamble (version 2) -> in its addresses and TLVs,
// until a verdict latches. The first byte alone tells the versions apart.
//
// Invariants, as those of the hello's parser:
// - The verdict is a function of the stream's bytes, however they were cut into pushes; a longer prefix takes nothing back.
// - Time is linear in the bytes pushed; memory grows with what arrived, never with what a length declared.
// - Nothing throws, whatever the bytes.
import { PREAMBLE_BYTES, SIGNATURE } from "./header-v2.ts";
import { judgeV2Preamble, parseV2Header, v2HeaderBytes } from "./parse-v2-header.ts";
import type { ProxyHeader, ProxyHeaderVerdict } from "./proxy-header-verdict.ts";
import { V1Line } from "./v1-line.ts";

const FIRST_CAPACITY = 64;

const incomplete: ProxyHeaderVerdict = { kind: "incomplete" };
const noBytes = new Uint8Array(0);

export class ProxyHeaderParser {
  #verdict: ProxyHeaderVerdict = incomplete;
  /** Bytes taken into the header so far. */
  #taken = 0;
  /** null: version 2, or nothing came yet. */
  #line: V1Line | null = null;
  /** What came of a header of version 2. */
  #bytes = noBytes;
  /** Length of the whole header once its preamble is there. */
  #wanted = PREAMBLE_BYTES;

  /** Takes the next bytes of the stream and answers for all of it. They are not kept: the caller may reuse the memory. */
  push(bytes: Uint8Array): ProxyHeaderVerdict {
    let at = 0;
    while (at < bytes.length && this.#verdict === incomplete) {
      if (this.#taken === 0 && bytes[at] !== SIGNATURE[0]) this.#line = new V1Line();
      if (this.#line) this.#takeLineByte(this.#line, bytes[at++]!);
      else if (this.#taken < PREAMBLE_BYTES) this.#takePreambleByte(bytes[at++]!);
      else {
        const end = Math.min(bytes.length, at + this.#wanted - this.#taken);
        this.#append(bytes.subarray(at, end));
        at = end;
        this.#finishIfWhole();
      }
    }
    return this.#verdict;
  }

  #takeLineByte(line: V1Line, byte: number): void {
    this.#taken++;
    const result = line.push(byte);
    if (result !== null) this.#settle(result);
  }

  #takePreambleByte(byte: number): void {
    if (this.#taken === 0) this.#bytes = new Uint8Array(FIRST_CAPACITY);
    this.#bytes[this.#taken++] = byte;
    const problem = judgeV2Preamble(this.#bytes, this.#taken);
    if (problem !== null) this.#settle(problem);
    else if (this.#taken === PREAMBLE_BYTES) {
      this.#wanted = v2HeaderBytes(this.#bytes);
      this.#finishIfWhole();
    }
  }

  #finishIfWhole(): void {
    if (this.#taken === this.#wanted) this.#settle(parseV2Header(this.#bytes.subarray(0, this.#wanted)));
  }

  #append(part: Uint8Array): void {
    const needed = this.#taken + part.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#taken));
      this.#bytes = grown;
    }
    this.#bytes.set(part, this.#taken);
    this.#taken = needed;
  }

  #settle(result: ProxyHeader | string): void {
    this.#verdict =
      typeof result === "string"
        ? { kind: "bad", detail: result }
        : { kind: "header", header: result, used: this.#taken };
    this.#line = null;
    this.#bytes = noBytes;
  }
}
