import { crc32c } from "./crc32c.ts";
import { endpointOf } from "./endpoint.ts";
import {
  CRC32C_BYTES,
  PREAMBLE_BYTES,
  SIGNATURE,
  TLV_HEADER_BYTES,
  TlvType,
  Transport,
  VersionCommand,
} from "./header-v2.ts";
import type { ProxyHeader } from "./proxy-header-verdict.ts";

/** Header and addresses need 52 bytes, ours have 536 at most, and those of clouds with their TLVs a few hundred. */
export const V2_HEADER_BYTES_MAX = 4_096;

const noEndpoints: ProxyHeader = { version: 2, source: null, destination: null };
const noBytes = new Uint8Array(CRC32C_BYTES);

/** Length of the addresses by transport. UNIX paths are skipped: nothing here could use them. */
const addressBytes = new Map<number, number>([
  [Transport.unspec, 0],
  [Transport.tcp4, 12],
  [Transport.tcp6, 36],
  [Transport.unix, 216],
]);

/** Judges the first `length` bytes of a header at the newest of them, which is in the preamble; null: nothing wrong so far. */
export function judgeV2Preamble(preamble: Uint8Array, length: number): string | null {
  const at = length - 1;
  const byte = preamble[at]!;
  if (length <= SIGNATURE.length) return byte === SIGNATURE[at] ? null : "no PROXY header: the signature is another";
  if (length === 13) {
    if (byte === VersionCommand.local || byte === VersionCommand.proxy) return null;
    return byte >> 4 === 2 ? `unknown command ${byte & 15}` : `unknown version ${byte >> 4}`;
  }
  // LOCAL speaks of no other connection: whatever it says of one is to be skipped.
  const isLocal = preamble[12] === VersionCommand.local;
  const needed = isLocal ? 0 : addressBytes.get(preamble[13]!);
  if (needed === undefined) return `family and transport 0x${hex(preamble[13]!)} are none of a TCP connection`;
  if (length < PREAMBLE_BYTES) return null;
  const declared = v2HeaderBytes(preamble) - PREAMBLE_BYTES;
  if (declared < needed) return `a length of ${declared} bytes, too short for the ${needed} of the addresses`;
  if (declared + PREAMBLE_BYTES <= V2_HEADER_BYTES_MAX) return null;
  return `a header of ${declared + PREAMBLE_BYTES} bytes, over the limit of ${V2_HEADER_BYTES_MAX}`;
}

/** Length of the whole header. */
export function v2HeaderBytes(preamble: Uint8Array): number {
  return PREAMBLE_BYTES + ((preamble[14]! << 8) | preamble[15]!);
}

/** @param bytes a whole header whose preamble has been judged. Returns what is wrong with it as a string. */
export function parseV2Header(bytes: Uint8Array): ProxyHeader | string {
  const isLocal = bytes[12] === VersionCommand.local;
  const addressesEnd = PREAMBLE_BYTES + (addressBytes.get(bytes[13]!) ?? 0);
  const problem = judgeTlvs(bytes, addressesEnd);
  if (isLocal) return problem?.crc ? problem.detail : noEndpoints;
  if (problem) return problem.detail;
  const block = bytes.subarray(PREAMBLE_BYTES, addressesEnd);
  if (bytes[13] === Transport.tcp4) return endpoints(block, 4);
  return bytes[13] === Transport.tcp6 ? endpoints(block, 16) : noEndpoints;
}

function endpoints(block: Uint8Array, size: 4 | 16): ProxyHeader {
  const portAt = 2 * size;
  const port = (at: number) => (block[at]! << 8) | block[at + 1]!;
  return {
    version: 2,
    source: endpointOf(block.subarray(0, size), port(portAt)),
    destination: endpointOf(block.subarray(size, portAt), port(portAt + 2)),
  };
}

/** crc: it is the checksum that is wrong, which not even LOCAL excuses. */
interface TlvProblem {
  crc: boolean;
  detail: string;
}

/** TLVs fill the header to its end; of those known, only the checksum says something here. */
function judgeTlvs(bytes: Uint8Array, from: number): TlvProblem | null {
  let crcAt: number | null = null;
  let at = from;
  while (at < bytes.length) {
    const valueAt = at + TLV_HEADER_BYTES;
    if (valueAt > bytes.length) return malformed("a TLV is cut off in its header");
    const length = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    if (valueAt + length > bytes.length) return malformed(`a TLV of type 0x${hex(bytes[at]!)} goes beyond the header`);
    if (bytes[at] === TlvType.crc32c) {
      if (length !== CRC32C_BYTES) return malformed(`a CRC32C of ${length} bytes`);
      if (crcAt !== null) return malformed("two CRC32Cs");
      crcAt = valueAt;
    }
    at = valueAt + length;
  }
  if (crcAt === null || hasCrc(bytes, crcAt)) return null;
  return { crc: true, detail: "the CRC32C is wrong" };
}

/** The checksum is that of the whole header with its own four bytes zero. */
function hasCrc(bytes: Uint8Array, crcAt: number): boolean {
  const before = crc32c(bytes.subarray(0, crcAt));
  const crc = crc32c(bytes.subarray(crcAt + CRC32C_BYTES), crc32c(noBytes, before));
  for (let i = 0; i < CRC32C_BYTES; i++) if (bytes[crcAt + i] !== ((crc >>> (24 - 8 * i)) & 0xff)) return false;
  return true;
}

function malformed(detail: string): TlvProblem {
  return { crc: false, detail };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
