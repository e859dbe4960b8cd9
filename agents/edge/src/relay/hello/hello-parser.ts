// The record layer of the first flight: wire bytes in, one verdict out. Sans-IO and incremental; the wire bytes themselves are
// the caller's to keep for replay, only the handshake message is put together here.
//
// States: collecting a record header (5 bytes) -> taking its payload -> next header ..., until a verdict latches.
//
// Invariants:
// - The verdict is a function of the stream's bytes: how they were cut into pushes never matters, and a longer prefix of a
//   stream never takes back what a shorter one decided. So every rule is checked at the byte that settles it.
// - Time is linear in the bytes pushed; memory grows with what arrived, never with what a length declared.
// - Nothing throws, whatever the bytes.
import { CLIENT_HELLO_BODY_BYTES_MIN, parseClientHello } from "./client-hello.ts";
import { alerts } from "@helloway/routing/alert";
import { type HelloRejection, type HelloVerdict } from "./hello.ts";

/** A hello with post-quantum key shares has 2 KiB; the largest seen in the wild has 12. */
export const HANDSHAKE_BYTES_MAX_DEFAULT = 32_768;
/** Bounds what one-byte records can cost; each carries five bytes of header. */
export const WIRE_BYTES_MAX = 65_536;

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
/** RFC 9846, section 5.1. */
const RECORD_PAYLOAD_BYTES_MAX = 16_384;
const FIRST_BODY_CAPACITY = 512;

const ContentType = { changeCipherSpec: 20, alert: 21, handshake: 22, heartbeat: 24 } as const;
const CLIENT_HELLO = 1;

const incomplete: HelloVerdict = { kind: "incomplete" };
const noBytes = new Uint8Array(0);

export class HelloParser {
  readonly #handshakeBytesMax: number;
  #verdict: HelloVerdict = incomplete;
  #bytesSeen = 0;

  readonly #recordHeader = new Uint8Array(RECORD_HEADER_BYTES);
  #recordHeaderBytes = 0;
  /** Payload of the current record still to come. */
  #payloadLeft = 0;
  #records = 0;

  #messageHeaderBytes = 0;
  #bodyLength = 0;
  #body = noBytes;
  #bodyBytes = 0;

  /** @param options.handshakeBytesMax largest handshake message accepted, its 4-byte header included. */
  constructor(options: { handshakeBytesMax?: number } = {}) {
    const max = options.handshakeBytesMax ?? HANDSHAKE_BYTES_MAX_DEFAULT;
    this.#handshakeBytesMax = Math.min(max, WIRE_BYTES_MAX - RECORD_HEADER_BYTES);
  }

  /** Bytes pushed so far, those after the hello included. */
  get bytesSeen(): number {
    return this.#bytesSeen;
  }

  /** Takes the next bytes of the stream and answers for all of it. They are not kept: the caller may reuse the memory. */
  push(bytes: Uint8Array): HelloVerdict {
    const room = WIRE_BYTES_MAX - this.#bytesSeen;
    this.#bytesSeen += bytes.length;
    if (this.#verdict !== incomplete) return this.#verdict;
    const end = Math.min(bytes.length, room);
    let at = 0;
    while (at < end && this.#verdict === incomplete) {
      if (this.#payloadLeft === 0) this.#takeRecordHeaderByte(bytes[at++]!);
      else {
        const taken = Math.min(this.#payloadLeft, end - at);
        this.#takePayload(bytes, at, at + taken);
        this.#payloadLeft -= taken;
        at += taken;
      }
    }
    if (this.#verdict === incomplete && this.#bytesSeen >= WIRE_BYTES_MAX) {
      this.#reject("hello_too_large", alerts.decodeError, `no complete hello within ${WIRE_BYTES_MAX} bytes`);
    }
    return this.#verdict;
  }

  #takeRecordHeaderByte(byte: number): void {
    const header = this.#recordHeader;
    header[this.#recordHeaderBytes++] = byte;
    const rejection =
      this.#records === 0
        ? judgeFirstHeader(header, this.#recordHeaderBytes)
        : judgeHeader(header, this.#recordHeaderBytes);
    if (rejection) this.#settle({ kind: "rejected", rejection });
    else if (this.#recordHeaderBytes === RECORD_HEADER_BYTES) {
      this.#recordHeaderBytes = 0;
      this.#payloadLeft = (header[3]! << 8) | header[4]!;
      this.#records++;
    }
  }

  #takePayload(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    while (this.#messageHeaderBytes < MESSAGE_HEADER_BYTES) {
      if (at === to) return;
      this.#takeMessageHeaderByte(bytes[at++]!);
      if (this.#verdict !== incomplete) return;
    }
    const wanted = this.#bodyLength - this.#bodyBytes;
    const arrived = Math.min(wanted, to - at);
    if (arrived === this.#bodyLength) this.#finish(bytes.subarray(at, at + arrived));
    else {
      this.#append(bytes, at, arrived);
      if (arrived === wanted) this.#finish(this.#body.subarray(0, this.#bodyLength));
    }
  }

  #takeMessageHeaderByte(byte: number): void {
    const first = this.#messageHeaderBytes++ === 0;
    if (first && byte !== CLIENT_HELLO) {
      this.#reject(
        "malformed_hello",
        alerts.unexpectedMessage,
        `the first handshake message has type ${byte}, not client_hello`,
      );
      return;
    }
    if (!first) this.#bodyLength = (this.#bodyLength << 8) | byte;
    if (this.#messageHeaderBytes < MESSAGE_HEADER_BYTES) return;
    if (this.#bodyLength + MESSAGE_HEADER_BYTES > this.#handshakeBytesMax) {
      const detail = `a hello of ${this.#bodyLength + MESSAGE_HEADER_BYTES} bytes, over the limit of ${this.#handshakeBytesMax}`;
      this.#reject("hello_too_large", alerts.decodeError, detail);
    } else if (this.#bodyLength < CLIENT_HELLO_BODY_BYTES_MIN) {
      this.#reject(
        "malformed_hello",
        alerts.decodeError,
        `a hello of ${this.#bodyLength} bytes has no room for its fields`,
      );
    }
  }

  #append(bytes: Uint8Array, from: number, count: number): void {
    const needed = this.#bodyBytes + count;
    if (needed > this.#body.length) {
      const capacity = Math.min(this.#bodyLength, Math.max(needed, 2 * this.#body.length, FIRST_BODY_CAPACITY));
      const grown = new Uint8Array(capacity);
      grown.set(this.#body.subarray(0, this.#bodyBytes));
      this.#body = grown;
    }
    // A view of one byte costs more than the byte.
    if (count === 1) this.#body[this.#bodyBytes] = bytes[from]!;
    else this.#body.set(bytes.subarray(from, from + count), this.#bodyBytes);
    this.#bodyBytes = needed;
  }

  #finish(body: Uint8Array): void {
    const result = parseClientHello(body, this.#records);
    this.#settle("alert" in result ? { kind: "rejected", rejection: result } : { kind: "hello", hello: result });
  }

  #reject(reason: HelloRejection["reason"], alert: HelloRejection["alert"], detail: string): void {
    this.#settle({ kind: "rejected", rejection: { reason, alert, detail } });
  }

  #settle(verdict: HelloVerdict): void {
    this.#verdict = verdict;
    this.#body = noBytes;
  }
}

/** Judges the first `length` bytes of the stream at its newest byte; null: nothing wrong so far. */
function judgeFirstHeader(header: Uint8Array, length: number): HelloRejection | null {
  const type = header[0]!;
  if (type >= 0x80) return judgeSslV2(header, length);
  if (length === 1) {
    if (type === ContentType.alert) return notTls("the first record is an alert");
    if (type < ContentType.changeCipherSpec || type > ContentType.heartbeat)
      return notTls("the first byte is no record type");
    return null;
  }
  if (length === 2) {
    if (header[1] !== 3) return notTls(`the record version's major is ${header[1]}`);
    if (type !== ContentType.handshake) return unexpected(`the first record has type ${type}, not handshake`);
    return null;
  }
  return length === RECORD_HEADER_BYTES ? judgeLength(header) : null;
}

/** An SSLv2 header (RFC 6101, appendix E): a length with its top bit set, type 1, then the version: 2, or 3.x in SSLv2 clothes. */
function judgeSslV2(header: Uint8Array, length: number): HelloRejection | null {
  if (length === 3 && header[2] !== 1) return notTls("the first byte is no record type");
  if (length === 4 && header[3] !== 0 && header[3] !== 3) return notTls("the first byte is no record type");
  if (length < RECORD_HEADER_BYTES) return null;
  if (header[3] === 0 && header[4] !== 2) return notTls("the first byte is no record type");
  return { reason: "tls_version", alert: alerts.protocolVersion, detail: "an SSLv2 hello" };
}

/** As judgeFirstHeader, for the records that continue a hello: nothing may come between its fragments (RFC 9846, 5.1). */
function judgeHeader(header: Uint8Array, length: number): HelloRejection | null {
  if (length === 1 && header[0] !== ContentType.handshake) {
    return unexpected(`a record of type ${header[0]} between the fragments of the hello`);
  }
  if (length === 2 && header[1] !== 3) return notTls(`the record version's major is ${header[1]}`);
  return length === RECORD_HEADER_BYTES ? judgeLength(header) : null;
}

function judgeLength(header: Uint8Array): HelloRejection | null {
  const length = (header[3]! << 8) | header[4]!;
  if (length === 0) return unexpected("an empty handshake fragment");
  if (length <= RECORD_PAYLOAD_BYTES_MAX) return null;
  return { reason: "malformed_hello", alert: alerts.recordOverflow, detail: `a record of ${length} bytes` };
}

function notTls(detail: string): HelloRejection {
  return { reason: "not_tls", alert: null, detail };
}

function unexpected(detail: string): HelloRejection {
  return { reason: "malformed_hello", alert: alerts.unexpectedMessage, detail };
}
