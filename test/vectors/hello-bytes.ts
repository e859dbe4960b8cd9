// The pieces that hellos are built of, for tests and the generator.

export interface HelloParts {
  legacyVersion?: number;
  /** 32 bytes; absent: zeros. */
  random?: Uint8Array;
  sessionId?: Uint8Array;
  cipherSuites?: Uint8Array;
  compressionMethods?: Uint8Array;
  /** Whole extensions, in order; null: the hello ends before them. */
  extensions?: readonly Uint8Array[] | null;
}

export const extensionTypes = {
  serverName: 0,
  alpn: 16,
  padding: 21,
  supportedVersions: 43,
  keyShare: 51,
  ech: 0xfe0d,
} as const;

/** A ClientHello message with its handshake header. */
export function clientHello(parts: HelloParts = {}): Uint8Array {
  const { extensions = [] } = parts;
  return message(
    1,
    concat([
      uint16(parts.legacyVersion ?? 0x0303),
      parts.random ?? new Uint8Array(32),
      vector(1, parts.sessionId ?? new Uint8Array(0)),
      vector(2, parts.cipherSuites ?? uint16(0x1301)),
      vector(1, parts.compressionMethods ?? Uint8Array.of(0)),
      extensions === null ? new Uint8Array(0) : vector(2, concat(extensions)),
    ]),
  );
}

export function message(type: number, body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(type, (body.length >> 16) & 0xff), uint16(body.length), body]);
}

export function record(payload: Uint8Array, type = 22, version = 0x0301): Uint8Array {
  return concat([Uint8Array.of(type), uint16(version), uint16(payload.length), payload]);
}

export function extension(type: number, data: Uint8Array): Uint8Array {
  return concat([uint16(type), vector(2, data)]);
}

/** server_name with one entry an element, each of type host_name. */
export function serverName(...names: string[]): Uint8Array {
  const entries = names.map((name) => concat([Uint8Array.of(0), vector(2, latin1(name))]));
  return extension(extensionTypes.serverName, vector(2, concat(entries)));
}

export function alpn(...protocols: string[]): Uint8Array {
  const entries = protocols.map((protocol) => vector(1, latin1(protocol)));
  return extension(extensionTypes.alpn, vector(2, concat(entries)));
}

export function supportedVersions(...versions: number[]): Uint8Array {
  return extension(extensionTypes.supportedVersions, vector(1, concat(versions.map(uint16))));
}

/** key_share with one share of 32 bytes a group. */
export function keyShare(...groups: number[]): Uint8Array {
  const shares = groups.map((group) => concat([uint16(group), vector(2, new Uint8Array(32).fill(9))]));
  return extension(extensionTypes.keyShare, vector(2, concat(shares)));
}

/** The bytes behind their length. */
export function vector(lengthBytes: 1 | 2, bytes: Uint8Array): Uint8Array {
  const length = lengthBytes === 1 ? Uint8Array.of(bytes.length & 0xff) : uint16(bytes.length);
  return concat([length, bytes]);
}

export function uint16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff);
}

export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
