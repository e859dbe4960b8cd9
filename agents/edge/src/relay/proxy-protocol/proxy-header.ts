// PROXY headers to backends. The addresses are those of the client's connection, whatever the family of the backend's; when
// they are of two families (a header came in before), both go as IPv6, the IPv4 one v4-mapped.
import { formatIp } from "@helloway/routing/ip-text";
import type { OfferedProtocols } from "@helloway/routing/offered-protocols";
import { crc32c } from "./crc32c.ts";
import { ipv6Bytes, type Endpoint } from "./endpoint.ts";
import {
  CRC32C_BYTES,
  EDGE_NAME_SUBTYPE,
  PREAMBLE_BYTES,
  SIGNATURE,
  TLV_HEADER_BYTES,
  TlvType,
  Transport,
  VersionCommand,
} from "./header-v2.ts";

/** Header and hello go in one write; with this much the header also fits any segment, and any receiver's buffer. */
export const V2_HEADER_BYTES_MAX_SENT = 536;

/** The specification's limit of its value. */
const UNIQUE_ID_BYTES_MAX = 128;

export interface ProxyEndpoints {
  source: Endpoint;
  destination: Endpoint;
}

/** What a header of version 2 may say beside the addresses; what is absent, null or empty is not sent. */
export interface ProxyTlvs {
  /** The name of the hello as received. */
  authority?: Uint8Array | null;
  /** The id of the connection in the access log. */
  uniqueId?: string | null;
  /** The edge's name. */
  edge?: string | null;
  /** Sent as the hello has them, each with its length before it. Offered, not chosen: the backend chooses. */
  alpn?: OfferedProtocols | null;
}

/** A line of version 1, at most 104 bytes. */
export function proxyHeaderV1({ source, destination }: ProxyEndpoints): Buffer {
  const isIpv4 = source.address.family === 4 && destination.address.family === 4;
  const text = ({ address }: Endpoint) => (isIpv4 ? address.text : formatIp(ipv6Bytes(address)));
  const addresses = `${text(source)} ${text(destination)} ${source.port} ${destination.port}`;
  return Buffer.from(`PROXY ${isIpv4 ? "TCP4" : "TCP6"} ${addresses}\r\n`, "latin1");
}

/**
 * A header of version 2, at most V2_HEADER_BYTES_MAX_SENT bytes. Its checksum is always there, as the last TLV. The others
 * stand in the order of importance: authority, uniqueId, edge, alpn; each is there whole or, where it does not fit into what
 * those before it have left, not at all.
 */
export function proxyHeaderV2({ source, destination, tlvs = {} }: ProxyEndpoints & { tlvs?: ProxyTlvs }): Buffer {
  const isIpv4 = source.address.family === 4 && destination.address.family === 4;
  const addressBytes = ({ address }: Endpoint) => (isIpv4 ? address.bytes : ipv6Bytes(address));
  const parts = [
    SIGNATURE,
    Uint8Array.of(VersionCommand.proxy, isIpv4 ? Transport.tcp4 : Transport.tcp6, 0, 0),
    addressBytes(source),
    addressBytes(destination),
    Uint8Array.of(source.port >> 8, source.port & 0xff, destination.port >> 8, destination.port & 0xff),
  ];
  let room = V2_HEADER_BYTES_MAX_SENT - PREAMBLE_BYTES - (isIpv4 ? 12 : 36) - TLV_HEADER_BYTES - CRC32C_BYTES;
  for (const [type, value] of offeredTlvs(tlvs)) {
    const needed = TLV_HEADER_BYTES + value.length;
    if (needed > room) continue;
    room -= needed;
    parts.push(tlvHeader(type, value.length), value);
  }
  parts.push(tlvHeader(TlvType.crc32c, CRC32C_BYTES), new Uint8Array(CRC32C_BYTES));
  const header = Buffer.concat(parts);
  header.writeUInt16BE(header.length - PREAMBLE_BYTES, PREAMBLE_BYTES - 2);
  header.writeUInt32BE(crc32c(header), header.length - CRC32C_BYTES);
  return header;
}

/** The most important first. */
function offeredTlvs({ authority, uniqueId, edge, alpn }: ProxyTlvs): [number, Uint8Array][] {
  const offered: [number, Uint8Array][] = [];
  if (authority?.length) offered.push([TlvType.authority, authority]);
  const id = Buffer.from(uniqueId ?? "");
  if (id.length > 0 && id.length <= UNIQUE_ID_BYTES_MAX) offered.push([TlvType.uniqueId, id]);
  if (edge) offered.push([TlvType.edge, Buffer.concat([Uint8Array.of(EDGE_NAME_SUBTYPE), Buffer.from(edge)])]);
  if (alpn && !alpn.isEmpty) offered.push([TlvType.alpn, alpn.bytes]);
  return offered;
}

function tlvHeader(type: number, length: number): Uint8Array {
  return Uint8Array.of(type, length >> 8, length & 0xff);
}
