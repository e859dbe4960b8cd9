// The body of a ClientHello (RFC 9846, section 4.1.2). Its frame is checked whole, because a length that lies is how two parsers
// come to read two different names; of what the frame holds, only what decides routing is.
import { noProtocols, type OfferedProtocols } from "@helloway/routing/offered-protocols";
import { alerts } from "@helloway/routing/alert";
import { type HelloRejection, type ParsedHello } from "./hello.ts";
import {
  isRejection,
  offersPostQuantum,
  parseAlpn,
  parseServerName,
  parseSupportedVersions,
} from "./hello-extensions.ts";

const VERSION_BYTES = 2;
const RANDOM_BYTES = 32;
const SESSION_ID_BYTES_MAX = 32;
const SSL3 = 0x0300;
const TLS12 = 0x0303;

/** legacy_version, random, and the shortest session id, cipher suites and compression methods. Extensions may be absent. */
export const CLIENT_HELLO_BODY_BYTES_MIN = VERSION_BYTES + RANDOM_BYTES + 1 + (2 + 2) + (1 + 1);

/** IANA TLS ExtensionType values. */
const Extension = {
  serverName: 0,
  alpn: 16,
  supportedVersions: 43,
  keyShare: 51,
  encryptedClientHello: 0xfe0d,
} as const;

/**
 * @param body the message without its 4-byte header, whole. Nothing of it is kept.
 * @param records how many records it spanned.
 */
export function parseClientHello(body: Uint8Array, records: number): ParsedHello | HelloRejection {
  if (body.length < CLIENT_HELLO_BODY_BYTES_MIN) return lyingLength("the hello ends before its fields do");
  const legacyVersion = uint16(body, 0);
  let at = VERSION_BYTES + RANDOM_BYTES;

  const sessionIdLength = body[at]!;
  if (sessionIdLength > SESSION_ID_BYTES_MAX) return lyingLength(`a session id of ${sessionIdLength} bytes`);
  at += 1 + sessionIdLength;

  if (at + 2 > body.length) return lyingLength("the session id reaches beyond the hello");
  const cipherSuitesLength = uint16(body, at);
  if (cipherSuitesLength < 2 || cipherSuitesLength % 2 !== 0)
    return lyingLength(`cipher suites of ${cipherSuitesLength} bytes`);
  at += 2 + cipherSuitesLength;

  if (at + 1 > body.length) return lyingLength("the cipher suites reach beyond the hello");
  const compressionLength = body[at]!;
  if (compressionLength === 0) return lyingLength("no compression methods");
  at += 1 + compressionLength;

  if (at > body.length) return lyingLength("the compression methods reach beyond the hello");
  const hello = {
    serverName: null,
    alpn: noProtocols,
    versions: versionsUpTo(legacyVersion),
    ech: false,
    postQuantum: false,
    records,
  };
  if (at === body.length) return hello;
  if (at + 2 > body.length) return lyingLength("one byte where the extensions should be");
  if (at + 2 + uint16(body, at) !== body.length) return lyingLength("the extensions do not end where the hello does");
  return readExtensions(body, at + 2, hello);
}

/** @param hello what holds without extensions. */
function readExtensions(body: Uint8Array, start: number, hello: ParsedHello): ParsedHello | HelloRejection {
  let serverName: Uint8Array | undefined;
  let alpn: OfferedProtocols | undefined;
  let versions: readonly number[] | undefined;
  let { ech, postQuantum } = hello;
  for (let at = start; at < body.length;) {
    if (at + 4 > body.length) return lyingLength("the extensions end within an extension's header");
    const type = uint16(body, at);
    const end = at + 4 + uint16(body, at + 2);
    if (end > body.length) return lyingLength(`extension ${type} reaches beyond the hello`);
    const data = body.subarray(at + 4, end);
    at = end;
    if (type === Extension.serverName) {
      if (serverName) return duplicate("server_name");
      const result = parseServerName(data);
      if (isRejection(result)) return result;
      serverName = result;
    } else if (type === Extension.alpn) {
      if (alpn) return duplicate("application_layer_protocol_negotiation");
      const result = parseAlpn(data);
      if (isRejection(result)) return result;
      alpn = result;
    } else if (type === Extension.supportedVersions) {
      if (versions) return duplicate("supported_versions");
      const result = parseSupportedVersions(data);
      if (isRejection(result)) return result;
      versions = result;
    } else if (type === Extension.encryptedClientHello) {
      if (ech) return duplicate("encrypted_client_hello");
      ech = true;
    } else if (type === Extension.keyShare) {
      postQuantum ||= offersPostQuantum(data);
    }
  }
  return {
    serverName: serverName === undefined || serverName.length === 0 ? null : serverName,
    alpn: alpn ?? hello.alpn,
    versions: versions ?? hello.versions,
    ech,
    postQuantum,
    records: hello.records,
  };
}

/** What a hello without supported_versions offers, newest first as clients list them. Such a hello cannot offer TLS 1.3. */
function versionsUpTo(legacyVersion: number): number[] {
  const versions: number[] = [];
  for (let version = Math.min(legacyVersion, TLS12); version >= SSL3; version--) versions.push(version);
  return versions;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function lyingLength(detail: string): HelloRejection {
  return { reason: "malformed_hello", alert: alerts.decodeError, detail };
}

function duplicate(extension: string): HelloRejection {
  return {
    reason: "malformed_hello",
    alert: alerts.illegalParameter,
    detail: `the extension ${extension} comes twice`,
  };
}
