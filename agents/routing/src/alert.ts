/** TLS alert descriptions that a refusal can carry (RFC 9846, section 6; RFC 6066; RFC 7301). */
export const alerts = {
  unexpectedMessage: 0x0a,
  recordOverflow: 0x16,
  illegalParameter: 0x2f,
  decodeError: 0x32,
  protocolVersion: 0x46,
  internalError: 0x50,
  missingExtension: 0x6d,
  unrecognizedName: 0x70,
  noApplicationProtocol: 0x78,
} as const;
export type Alert = (typeof alerts)[keyof typeof alerts];
