// PROXY headers as a proxy sends them and as a backend reads them, from the specification and from no code of ours: what
// writes and reads headers in the engine is held against this.
import { isIPv4 } from "node:net";
import { parseAddress } from "@helloway/routing/address";

export interface ProxyEnds {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
}

export interface ReadHeader extends ProxyEnds {
  family: 4 | 6;
  /** Values by type, in the order they stand. */
  tlvs: [type: number, value: Buffer][];
  /** Of a version 2: whether the checksum that it carries is right; null: it has none. */
  crcIsRight: boolean | null;
  /** Length of the header. */
  bytes: number;
}

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const CRC32C = 0x03;

export function proxyLine(ends: ProxyEnds): string {
  const family = isIPv4(ends.source) ? "TCP4" : "TCP6";
  return `PROXY ${family} ${ends.source} ${ends.destination} ${ends.sourcePort} ${ends.destinationPort}\r\n`;
}

/** Version 2. @param ends "local": the command LOCAL, without addresses. */
export function proxyV2(ends: ProxyEnds | "local", tlvs: readonly [type: number, value: Uint8Array][] = []): Buffer {
  const addresses = ends === "local" ? Buffer.alloc(0) : addressBlock(ends);
  const family = ends === "local" ? 0x00 : addresses.length === 12 ? 0x11 : 0x21;
  const written = tlvs.map(([type, value]) => Buffer.concat([Buffer.of(type), uint16(value.length), value]));
  const length = addresses.length + written.reduce((sum, each) => sum + each.length, 0);
  const head = Buffer.concat([SIGNATURE, Buffer.of(ends === "local" ? 0x20 : 0x21, family), uint16(length)]);
  return Buffer.concat([head, addresses, ...written]);
}

/** The same with its checksum. @param wrong a checksum of something else. */
export function proxyV2WithCrc(ends: ProxyEnds, wrong = false): Buffer {
  const header = proxyV2(ends, [[CRC32C, new Uint8Array(4)]]);
  header.writeUInt32BE((crc32c(header) ^ (wrong ? 1 : 0)) >>> 0, header.length - 4);
  return header;
}

/** Throws when the bytes begin with no whole version 2 header of a TCP connection. */
export function readProxyV2(bytes: Buffer): ReadHeader {
  if (!bytes.subarray(0, 12).equals(SIGNATURE) || bytes[12] !== 0x21) throw new Error("no PROXY header of version 2");
  const family = bytes[13] === 0x11 ? 4 : bytes[13] === 0x21 ? 6 : null;
  const end = 16 + bytes.readUInt16BE(14);
  if (family === null || bytes.length < end) throw new Error(`a PROXY header of ${end} bytes, family ${bytes[13]}`);
  const size = family === 4 ? 4 : 16;
  const address = (at: number): string => addressText(bytes.subarray(at, at + size));
  const tlvs: [number, Buffer][] = [];
  let crcIsRight: boolean | null = null;
  let at = 16 + 2 * size + 4;
  while (at < end) {
    const valueEnd = at + 3 + bytes.readUInt16BE(at + 1);
    if (valueEnd > end) throw new Error("a TLV goes beyond the PROXY header");
    tlvs.push([bytes[at]!, bytes.subarray(at + 3, valueEnd)]);
    if (bytes[at] === CRC32C) crcIsRight = crcOf(bytes.subarray(0, end), at + 3) === bytes.readUInt32BE(at + 3);
    at = valueEnd;
  }
  return {
    family,
    source: address(16),
    destination: address(16 + size),
    sourcePort: bytes.readUInt16BE(16 + 2 * size),
    destinationPort: bytes.readUInt16BE(18 + 2 * size),
    tlvs,
    crcIsRight,
    bytes: end,
  };
}

function crcOf(header: Buffer, at: number): number {
  const zeroed = Buffer.from(header);
  zeroed.fill(0, at, at + 4);
  return crc32c(zeroed);
}

/** Bit by bit, as RFC 3720 describes it. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function addressBlock({ source, sourcePort, destination, destinationPort }: ProxyEnds): Buffer {
  const ports = Buffer.concat([uint16(sourcePort), uint16(destinationPort)]);
  return Buffer.concat([addressBytes(source), addressBytes(destination), ports]);
}

/** "::ffff:192.0.2.1" stays an IPv6 address here. */
function addressBytes(text: string): Uint8Array {
  const mapped = /^::ffff:([\d.]+)$/.exec(text)?.[1];
  if (mapped !== undefined) return Buffer.concat([Buffer.alloc(10), Buffer.of(0xff, 0xff), addressBytes(mapped)]);
  const address = parseAddress(text);
  if (address === null) throw new RangeError(`${text} is no address`);
  return address.bytes;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return parseAddress(groups.join(":"))!.text;
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}
