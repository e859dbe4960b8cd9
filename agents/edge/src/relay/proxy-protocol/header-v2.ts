// What both directions know of version 2 (proxy-protocol.txt, section 2.2):
//
//   signature (12) | version 2, command (1) | family, transport (1) | length of what follows (2) | addresses | TLVs
//
// A TLV is its type (1), the length of its value (2) and the value. Numbers are big-endian.

export const SIGNATURE: Uint8Array = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10);
/** Up to and with the length. */
export const PREAMBLE_BYTES = 16;
export const TLV_HEADER_BYTES = 3;
export const CRC32C_BYTES = 4;

/** The byte after the signature: version in the upper half. */
export const VersionCommand = { local: 0x20, proxy: 0x21 } as const;

/** The byte after that: family and transport. Datagrams have others, which no TCP connection carries. */
export const Transport = { unspec: 0x00, tcp4: 0x11, tcp6: 0x21, unix: 0x31 } as const;

export const TlvType = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  uniqueId: 0x05,
  /** Ours, of the range that the specification leaves to applications: a sub-type byte, then its value. */
  edge: 0xe4,
} as const;

/** Of TlvType.edge: the edge's name follows. */
export const EDGE_NAME_SUBTYPE = 1;
