import type { Logger } from "@helloway/runtime/logger";
import type { ConnectionRecord } from "../relay/relay.ts";

/** Writes one line of the access log for each connection, when it has ended. */
export function accessLog(log: Logger, edgeName: () => string): (record: ConnectionRecord) => void {
  return (record) => {
    if (!log.isLevelEnabled("info")) return;
    const { conn, listener, src, sport, sni, alpn, tlsVersions, route, backend } = record;
    const { helloMs, connectMs, durationMs, rx, tx, reason, ech, pq } = record;
    log.info(
      {
        ts: new Date().toISOString(),
        edge: edgeName(),
        conn,
        listener,
        src,
        sport,
        sni,
        alpn,
        tlsVersions,
        route,
        backend,
        helloMs,
        connectMs,
        durationMs,
        rx,
        tx,
        reason,
        ech,
        pq,
      },
      "connection closed",
    );
  };
}
