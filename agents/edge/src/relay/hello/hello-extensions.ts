// The extensions that decide routing, read strictly: TLS stacks differ in what they forgive, and a hello that one of them reads
// otherwise than we do must not get past. key_share decides nothing and is read leniently.
import { OfferedProtocols } from "@helloway/routing/offered-protocols";
import { alerts } from "@helloway/routing/alert";
import { type HelloRejection } from "./hello.ts";

const HOST_NAME = 0;

/** NamedGroup values with ML-KEM (draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-mlkem) and the Kyber drafts before it. */
const postQuantumGroups: ReadonlySet<number> = new Set([
  0x11ec, // X25519MLKEM768
  0x11eb, // SecP256r1MLKEM768
  0x11ed, // SecP384r1MLKEM1024
  0x11ee, // curveSM2MLKEM768
  0x0200, // MLKEM512
  0x0201, // MLKEM768
  0x0202, // MLKEM1024
  0x6399, // X25519Kyber768Draft00
  0x639a, // SecP256r1Kyber768Draft00
]);

export function isRejection(result: object): result is HelloRejection {
  return "alert" in result;
}

/**
 * server_name (RFC 6066, section 3): exactly one entry, of type host_name. Stacks disagree about lists with others in them.
 * The name may be empty, which some clients send for none.
 */
export function parseServerName(data: Uint8Array): Uint8Array | HelloRejection {
  if (data.length < 2 || uint16(data, 0) !== data.length - 2)
    return malformed("the server name list does not fill its extension");
  if (data.length === 2) return malformed("an empty server name list");
  if (data[2] !== HOST_NAME) return malformed(`a server name of type ${data[2]}`);
  if (data.length < 5) return malformed("the server name list ends within an entry");
  const end = 5 + uint16(data, 3);
  if (end > data.length) return malformed("the server name reaches beyond its list");
  if (end < data.length) {
    if (data[end] !== HOST_NAME) return malformed(`a server name of type ${data[end]}`);
    return { reason: "malformed_hello", alert: alerts.illegalParameter, detail: "two host names" };
  }
  return copy(data.subarray(5));
}

/** application_layer_protocol_negotiation (RFC 7301, section 3.1): at least one name, none of them empty. In the client's order. */
export function parseAlpn(data: Uint8Array): OfferedProtocols | HelloRejection {
  if (data.length < 2 || uint16(data, 0) !== data.length - 2)
    return malformed("the protocol list does not fill its extension");
  if (data.length === 2) return malformed("an empty protocol list");
  for (let at = 2; at < data.length; at += 1 + data[at]!) {
    if (data[at] === 0) return malformed("an empty protocol name");
    if (at + 1 + data[at]! > data.length) return malformed("a protocol name reaches beyond its list");
  }
  return new OfferedProtocols(copy(data.subarray(2)));
}

/** supported_versions (RFC 9846, section 4.2.1), without GREASE. */
export function parseSupportedVersions(data: Uint8Array): number[] | HelloRejection {
  const length = data[0];
  if (length === undefined || length !== data.length - 1 || length < 2 || length % 2 !== 0) {
    return malformed("the list of versions does not fill its extension");
  }
  const versions: number[] = [];
  for (let at = 1; at < data.length; at += 2) {
    const version = uint16(data, at);
    if (!isGrease(version)) versions.push(version);
  }
  return versions;
}

/** Whether key_share (RFC 9846, section 4.2.8) has a share of a post-quantum group; false for what cannot be read. */
export function offersPostQuantum(data: Uint8Array): boolean {
  for (let at = 2; at + 4 <= data.length; at += 4 + uint16(data, at + 2)) {
    if (postQuantumGroups.has(uint16(data, at))) return true;
  }
  return false;
}

/** RFC 8701: 0x0a0a, 0x1a1a, ... 0xfafa. */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** The bytes come from a buffer that the caller reuses; slice() would not copy a Node Buffer. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function malformed(detail: string): HelloRejection {
  return { reason: "malformed_hello", alert: alerts.decodeError, detail };
}
