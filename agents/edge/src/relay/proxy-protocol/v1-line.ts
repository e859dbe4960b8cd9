// Version 1, the line of text (proxy-protocol.txt, section 2.1):
//
//   PROXY TCP4|TCP6 source destination sport dport CRLF
//   PROXY UNKNOWN [anything] CRLF
//
// States: in field n -> in field n + 1 at one space ... -> after the CR -> done at the LF. After UNKNOWN everything up to the
// CRLF is skipped.
//
// Invariants: a letter that no line can have is refused when it comes, an address when its field ends. Neither CR nor LF
// stands alone, and the line ends within 107 bytes.
import { parseIpv4, parseIpv6 } from "@helloway/routing/ip-text";
import { endpointOf } from "./endpoint.ts";
import type { ProxyHeader } from "./proxy-header-verdict.ts";

/** The longest line of the specification, CRLF included. */
export const V1_LINE_BYTES_MAX = 107;

const CR = 13;
const LF = 10;
const SPACE = 32;
const protocols = ["TCP4", "TCP6", "UNKNOWN"];
const fieldNames = ["keyword", "protocol", "source address", "destination address", "source port", "destination port"];
const PROTOCOL = 1;
const LAST = 5;

export class V1Line {
  #bytes = 0;
  #fields: string[] = [];
  #field = "";
  #skipping = false;
  #afterCr = false;

  /** The line's next byte; null: go on. Not to be called again after another answer. */
  push(byte: number): ProxyHeader | string | null {
    this.#bytes++;
    if (this.#afterCr) return byte === LF ? this.#header() : "a CR without its LF";
    if (byte === LF) return "an LF without a CR before it";
    const problem = this.#take(byte);
    if (problem !== null) return problem;
    if (this.#bytes === V1_LINE_BYTES_MAX - 1 && !this.#afterCr) return `no CRLF within ${V1_LINE_BYTES_MAX} bytes`;
    return null;
  }

  #take(byte: number): string | null {
    if (byte !== CR && this.#skipping) return null;
    if (byte === CR || byte === SPACE) return this.#endField(byte);
    this.#field += String.fromCharCode(byte);
    return this.#mayBegin(this.#field) ? null : this.#wrong();
  }

  #endField(byte: number): string | null {
    if (byte === CR) this.#afterCr = true;
    if (this.#skipping) return null;
    if (!this.#isWhole(this.#field)) return this.#wrong();
    this.#fields.push(this.#field);
    this.#field = "";
    this.#skipping = this.#fields[PROTOCOL] === "UNKNOWN";
    if (this.#skipping) return null;
    const isLast = this.#fields.length > LAST;
    if (byte === CR) return isLast ? null : `the line ends before the ${fieldNames[this.#fields.length]}`;
    return isLast ? "more after the destination port" : null;
  }

  /** Whether a field of this place can begin with the text. */
  #mayBegin(text: string): boolean {
    switch (this.#fields.length) {
      case 0:
        return "PROXY".startsWith(text);
      case 1:
        return protocols.some((each) => each.startsWith(text));
      case 2:
      case 3:
        return (this.#fields[PROTOCOL] === "TCP4" ? /^[\d.]{1,15}$/ : /^[\da-fA-F:.]{1,45}$/).test(text);
      default:
        return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff;
    }
  }

  #isWhole(text: string): boolean {
    switch (this.#fields.length) {
      case 0:
        return text === "PROXY";
      case 1:
        return protocols.includes(text);
      case 2:
      case 3:
        return this.#addressBytes(text) !== null;
      default:
        return text !== "";
    }
  }

  #addressBytes(text: string): Uint8Array | null {
    return this.#fields[PROTOCOL] === "TCP4" ? parseIpv4(text) : parseIpv6(text);
  }

  #wrong(): string {
    const name = fieldNames[this.#fields.length];
    // Of a stream that is no PROXY protocol at all nothing is repeated: it may be anything.
    if (this.#fields.length === 0) return "no PROXY header: the line does not begin with PROXY";
    return `the ${name} ${JSON.stringify(this.#field)} is none of ${this.#fields[PROTOCOL] ?? "TCP4, TCP6 and UNKNOWN"}`;
  }

  #header(): ProxyHeader {
    if (this.#skipping) return { version: 1, source: null, destination: null };
    const [, , source = "", destination = "", sourcePort, destinationPort] = this.#fields;
    return {
      version: 1,
      source: endpointOf(this.#addressBytes(source)!, Number(sourcePort)),
      destination: endpointOf(this.#addressBytes(destination)!, Number(destinationPort)),
    };
  }
}
