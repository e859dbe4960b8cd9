import type { CloseReason } from "@helloway/routing/close-reason";
import type { ConnectionRecord } from "../relay.ts";
import type { HelloRecord } from "./hello-record.ts";

/** What is known of a connection when it ends. Times are those of performance.now(). */
export interface ConnectionFacts {
  edge: string;
  conn: string;
  listener: string;
  src: string;
  sport: number;
  hello: HelloRecord;
  route: string;
  backend: string | null;
  acceptedAt: number;
  helloAt: number | null;
  connectedAt: number | null;
  rx: number;
  tx: number;
  reason: CloseReason;
}

export function connectionRecord(facts: ConnectionFacts): ConnectionRecord {
  const { edge, conn, listener, src, sport, hello, route, backend } = facts;
  const { acceptedAt, helloAt, connectedAt, rx, tx, reason } = facts;
  return {
    ts: new Date().toISOString(),
    edge,
    conn,
    listener,
    src,
    sport,
    sni: hello.sni,
    alpn: hello.alpn,
    tlsVersions: hello.tlsVersions,
    route,
    backend,
    helloMs: helloAt === null ? null : round(helloAt - acceptedAt),
    connectMs: connectedAt === null || helloAt === null ? null : round(connectedAt - helloAt),
    durationMs: round(performance.now() - acceptedAt),
    rx,
    tx,
    reason,
    ech: hello.ech,
    pq: hello.pq,
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
