import type { CloseReason } from "@helloway/routing/close-reason";
import { escapeBytes } from "@helloway/routing/escaped-bytes";
import type { ParsedHello } from "../hello/hello.ts";
import type { ConnectionRecord } from "../relay.ts";

/** What is known of a connection when it ends. Times are those of performance.now(). */
export interface ConnectionFacts {
  conn: string;
  listener: string;
  src: string;
  sport: number;
  hello: ParsedHello | null;
  route: string;
  backend: string | null;
  acceptedAt: number;
  helloAt: number | null;
  connectedAt: number | null;
  rx: number;
  tx: number;
  reason: CloseReason;
}

/** Of the offered protocols so many are recorded, of so many characters; who offers more is no client that anybody knows. */
const OFFERS_MAX = 32;
const OFFER_CHARACTERS_MAX = 1_024;

/** IANA's values; anything else is logged as a number. */
const versionNames = new Map([
  [0x0300, "SSLv3"],
  [0x0301, "TLSv1.0"],
  [0x0302, "TLSv1.1"],
  [0x0303, "TLSv1.2"],
  [0x0304, "TLSv1.3"],
]);

export function connectionRecord(facts: ConnectionFacts): ConnectionRecord {
  const { conn, listener, src, sport, hello, route, backend, acceptedAt, helloAt, connectedAt, rx, tx, reason } = facts;
  return {
    conn,
    listener,
    src,
    sport,
    sni: hello?.serverName ? escapeBytes(hello.serverName) : null,
    alpn: hello === null ? [] : offersOf(hello.alpn),
    tlsVersions: (hello?.versions ?? []).map(
      (each) => versionNames.get(each) ?? `0x${each.toString(16).padStart(4, "0")}`,
    ),
    route,
    backend,
    helloMs: helloAt === null ? null : round(helloAt - acceptedAt),
    connectMs: connectedAt === null || helloAt === null ? null : round(connectedAt - helloAt),
    durationMs: round(performance.now() - acceptedAt),
    rx,
    tx,
    reason,
    ech: hello?.ech ?? false,
    pq: hello?.postQuantum ?? false,
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** In the client's order; where some are left out the last entry says how many: `... 15968 more`. */
function offersOf(offered: Iterable<Uint8Array>): string[] {
  const texts: string[] = [];
  let characters = 0;
  let more = 0;
  for (const protocol of offered) {
    const text = more === 0 && texts.length < OFFERS_MAX ? escapeBytes(protocol) : null;
    if (text === null || characters + text.length > OFFER_CHARACTERS_MAX) more++;
    else {
      characters += text.length;
      texts.push(text);
    }
  }
  if (more > 0) texts.push(`... ${more} more`);
  return texts;
}
