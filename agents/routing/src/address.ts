// IP addresses and networks as values, and backend addresses as people write them.
import { embeddedIpv4 } from "./embedded-address.ts";
import { formatIp, parseIpv4, parseIpv6 } from "./ip-text.ts";
import { parseHostname } from "./name.ts";

export interface Address {
  /** 4 or 16 bytes, network order. Never modified. */
  readonly bytes: Uint8Array;
  readonly family: 4 | 6;
  /** Canonical text: dotted quad, or RFC 5952. */
  readonly text: string;
}

/** @param bytes 4 or 16; kept, so the caller must not modify them afterwards. */
export function addressOf(bytes: Uint8Array): Address {
  if (bytes.length !== 4 && bytes.length !== 16)
    throw new RangeError(`An address has 4 or 16 bytes, not ${bytes.length}.`);
  return { bytes, family: bytes.length === 4 ? 4 : 6, text: formatIp(bytes) };
}

/** Strict: a canonical dotted quad or RFC 4291 text without a zone. null: anything else, numeric spellings included. */
export function parseAddress(text: string): Address | null {
  const bytes = parseIpv4(text) ?? parseIpv6(text);
  return bytes === null ? null : addressOf(bytes);
}

/**
 * The IPv4 address that an IPv6 address carries (v4-mapped, v4-compatible, NAT64, 6to4, Teredo, ISATAP), else the address itself.
 * @param nat64Prefixes further prefixes of RFC 6052 whose addresses carry one.
 */
export function unwrapAddress(address: Address, nat64Prefixes: readonly Cidr[] = []): Address {
  const inner = embeddedIpv4(address.bytes, nat64Prefixes)?.readings[0];
  return inner === undefined ? address : addressOf(inner);
}

/** A network. The bits after the prefix are zero. */
export interface Cidr extends Address {
  readonly prefixLength: number;
}

/** "10.0.0.0/8", "2001:db8::/32"; bits after the prefix are cleared. null: no strict address, or no decimal length that fits. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf("/");
  const address = slash === -1 ? null : parseAddress(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (address === null || !/^(0|[1-9]\d{0,2})$/.test(lengthText)) return null;
  const prefixLength = Number(lengthText);
  if (prefixLength > address.bytes.length * 8) return null;
  const bytes = address.bytes.slice();
  for (let i = 0; i < bytes.length; i++) bytes[i]! &= maskByte(prefixLength, i);
  return { ...addressOf(bytes), prefixLength };
}

export function formatCidr(cidr: Cidr): string {
  return `${cidr.text}/${cidr.prefixLength}`;
}

export function cidrContains(cidr: Cidr, address: Pick<Address, "bytes">): boolean {
  if (cidr.bytes.length !== address.bytes.length) return false;
  for (let i = 0; i * 8 < cidr.prefixLength; i++) {
    if (((cidr.bytes[i]! ^ address.bytes[i]!) & maskByte(cidr.prefixLength, i)) !== 0) return false;
  }
  return true;
}

/** The network bits of byte i. */
function maskByte(prefixLength: number, i: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - 8 * i));
  return (0xff00 >> bits) & 0xff;
}

export type BackendAddressProblem =
  | "missing_port"
  | "bad_port"
  | "bad_address"
  | "numeric_address"
  | "not_ascii"
  | "bad_name";

export type ParsedBackendAddress =
  | {
      ok: true;
      /** Canonical, without brackets. */
      host: string;
      port: number;
      /** null: the host is a name. */
      address: Address | null;
      /** Canonical "host:port", IPv6 in brackets. */
      text: string;
    }
  | { ok: false; code: BackendAddressProblem; detail: string };

/** Reads "192.0.2.1:443", "[2001:db8::1]:443" or "name.example:443". */
export function parseBackendAddress(text: string): ParsedBackendAddress {
  const colon = text.lastIndexOf(":");
  const hostText = text.slice(0, colon);
  if (parseIpv6(text) !== null || (hostText.includes(":") && !hostText.startsWith("["))) {
    return refused("bad_address", `Write an IPv6 address in brackets and with a port: "[2001:db8::1]:443".`);
  }
  if (colon === -1 || text.endsWith("]")) return refused("missing_port", `Write "host:port".`);
  const portText = text.slice(colon + 1);
  const port = /^[1-9]\d{0,4}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) return refused("bad_port", "The port is a decimal number from 1 to 65535.");
  if (hostText.startsWith("[")) {
    const bytes = hostText.endsWith("]") ? parseIpv6(hostText.slice(1, -1)) : null;
    if (bytes === null)
      return refused("bad_address", "Between the brackets there must be one IPv6 address, without a zone.");
    const address = addressOf(bytes);
    return { ok: true, host: address.text, port, address, text: `[${address.text}]:${port}` };
  }
  const bytes = parseIpv4(hostText);
  if (bytes !== null) {
    const address = addressOf(bytes);
    return { ok: true, host: address.text, port, address, text: `${address.text}:${port}` };
  }
  return parseBackendName(hostText, port);
}

function parseBackendName(text: string, port: number): ParsedBackendAddress {
  const parsed = parseHostname(text);
  if (!parsed.ok) {
    if (parsed.code === "not_ascii") return refused("not_ascii", parsed.detail);
    if (/(^|\.)(\d+|0[xX][0-9a-fA-F]*)\.?$/.test(text)) {
      return refused("numeric_address", "An IPv4 address is four decimal numbers from 0 to 255 without leading zeros.");
    }
    return refused("bad_name", parsed.detail);
  }
  if (parsed.wildcard) return refused("bad_name", "A backend is one host: a wildcard names none.");
  return { ok: true, host: parsed.name, port, address: null, text: `${parsed.name}:${port}` };
}

function refused(code: BackendAddressProblem, detail: string): ParsedBackendAddress {
  return { ok: false, code, detail };
}
