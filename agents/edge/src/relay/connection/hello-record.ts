// What the record of a connection says of its hello. It is made when the hello is judged and is all that is kept of it while a
// backend has the connection: clients choose how long that is, and a hello has up to 32 KiB. So everything here is bounded.
import { escapeBytes } from "@helloway/routing/escaped-bytes";
import type { OfferedProtocols } from "@helloway/routing/offered-protocols";
import type { ParsedHello } from "../hello/hello.ts";
import type { ConnectionRecord } from "../relay.ts";

export type HelloRecord = Pick<ConnectionRecord, "sni" | "alpn" | "tlsVersions" | "ech" | "pq">;

/** Of the offered protocols so many are recorded, of so many characters; who offers more is no client that anybody knows. */
const OFFERS_MAX = 32;
const OFFER_CHARACTERS_MAX = 1_024;
/** Above every name that can be routed (253 bytes and a dot); scanners send others. */
const NAME_BYTES_MAX = 512;

/** IANA's values; anything else is logged as a number. */
const versionNames = new Map([
  [0x0300, "SSLv3"],
  [0x0301, "TLSv1.0"],
  [0x0302, "TLSv1.1"],
  [0x0303, "TLSv1.2"],
  [0x0304, "TLSv1.3"],
]);

/** Of a connection without a hello. */
export const noHello: HelloRecord = { sni: null, alpn: [], tlsVersions: [], ech: false, pq: false };

export function helloRecord({ serverName, alpn, versions, ech, postQuantum }: ParsedHello): HelloRecord {
  return {
    sni: serverName === null ? null : nameOf(serverName),
    alpn: offersOf(alpn),
    tlsVersions: versions.map((each) => versionNames.get(each) ?? `0x${each.toString(16).padStart(4, "0")}`),
    ech,
    pq: postQuantum,
  };
}

/** Where bytes are left out the end says how many: `... 31488 more`. A name that can be routed has no space. */
function nameOf(name: Uint8Array): string {
  if (name.length <= NAME_BYTES_MAX) return escapeBytes(name);
  return `${escapeBytes(name.subarray(0, NAME_BYTES_MAX))}... ${name.length - NAME_BYTES_MAX} more`;
}

/** In the client's order; where some are left out the last entry says how many: `... 15968 more`. */
function offersOf(offered: OfferedProtocols): string[] {
  const texts: string[] = [];
  let characters = 0;
  for (const protocol of offered) {
    const text = texts.length < OFFERS_MAX ? escapeBytes(protocol) : null;
    if (text === null || characters + text.length > OFFER_CHARACTERS_MAX) {
      texts.push(`... ${offered.count() - texts.length} more`);
      break;
    }
    characters += text.length;
    texts.push(text);
  }
  return texts;
}
