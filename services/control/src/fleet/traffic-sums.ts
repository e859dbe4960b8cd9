// Adding to the sums of traffic. One statement a table whatever the number of routes; rows are taken in the order of their keys, so that
// two boots of an edge, which share minutes, do not deadlock.
import { sql } from "drizzle-orm";
import type { Tx } from "../db/database.ts";
import type { ReportedRoute } from "./reports.ts";

/** What "@noSni", "@unmatched" and "-" of a pool are counted under; a route's uid is unique by itself. */
export function trafficKey(uid: string, poolId: string): string {
  return uid === "-" || uid.startsWith("@") ? `${uid}:${poolId}` : uid;
}

interface Traffic {
  edgeId: string;
  poolId: string;
  bootId: string;
  /** null: in the totals only. */
  minute: Date | null;
  routes: readonly ReportedRoute[];
}

/** Adds a report's routes. Answers whether some route of the boot now has more closed than opened. */
export async function addTraffic(tx: Tx, { edgeId, poolId, bootId, minute, routes }: Traffic): Promise<boolean> {
  const sums = routes.map(({ uid, opened, closed, rxBytes, txBytes, overLimit }) => ({
    uid: trafficKey(uid, poolId),
    opened,
    closed: closed.reduce((sum, { count }) => sum + count, 0),
    rx: rxBytes,
    tx: txBytes,
    over: overLimit,
  }));
  const closes = routes.flatMap(({ uid, closed }) =>
    closed
      .filter(({ count }) => count > 0)
      .map(({ reason, count }) => ({ uid: trafficKey(uid, poolId), reason, closed: count })),
  );
  const backends = routes.flatMap(({ uid, backends: of }) =>
    of.map(({ backend, attempts, failures, opened, closed, rxBytes, txBytes }) => ({
      uid: trafficKey(uid, poolId),
      backend,
      attempts,
      failures,
      opened,
      closed,
      rx: rxBytes,
      tx: txBytes,
    })),
  );
  const sumRows = sql`json_to_recordset(${JSON.stringify(sums)}::json)
    as r(uid text, opened bigint, closed bigint, rx bigint, tx bigint, over bigint)`;
  const closeRows = sql`json_to_recordset(${JSON.stringify(closes)}::json) as r(uid text, reason text, closed bigint)`;
  let impossible = false;
  if (sums.length > 0) {
    const { rows } = await tx.execute<{ impossible: boolean }>(sql`
      with added as (
        insert into traffic_totals as t (route_uid, edge_id, boot_id, opened, closed, rx_bytes, tx_bytes, over_limit)
        select uid, ${edgeId}::uuid, ${bootId}::uuid, opened, closed, rx, tx, over from ${sumRows} order by uid
        on conflict (route_uid, edge_id, boot_id) do update set
          opened = t.opened + excluded.opened, closed = t.closed + excluded.closed,
          rx_bytes = t.rx_bytes + excluded.rx_bytes, tx_bytes = t.tx_bytes + excluded.tx_bytes,
          over_limit = t.over_limit + excluded.over_limit
        returning closed > opened as impossible
      )
      select coalesce(bool_or(impossible), false) as impossible from added`);
    impossible = rows[0]?.impossible ?? false;
  }
  if (closes.length > 0) {
    await tx.execute(sql`
      insert into traffic_total_closes as t (route_uid, edge_id, reason, closed)
      select uid, ${edgeId}::uuid, reason, closed from ${closeRows} order by uid, reason
      on conflict (route_uid, edge_id, reason) do update set closed = t.closed + excluded.closed`);
  }
  if (minute === null) return impossible;
  const at = sql`${minute.toISOString()}::timestamptz`;
  if (sums.length > 0) {
    await tx.execute(sql`
      insert into traffic_minutes as t (route_uid, minute, edge_id, opened, closed, rx_bytes, tx_bytes, over_limit)
      select uid, ${at}, ${edgeId}::uuid, opened, closed, rx, tx, over from ${sumRows} order by uid
      on conflict (route_uid, minute, edge_id) do update set
        opened = t.opened + excluded.opened, closed = t.closed + excluded.closed,
        rx_bytes = t.rx_bytes + excluded.rx_bytes, tx_bytes = t.tx_bytes + excluded.tx_bytes,
        over_limit = t.over_limit + excluded.over_limit`);
  }
  if (closes.length > 0) {
    await tx.execute(sql`
      insert into traffic_minute_closes as t (route_uid, minute, edge_id, reason, closed)
      select uid, ${at}, ${edgeId}::uuid, reason, closed from ${closeRows} order by uid, reason
      on conflict (route_uid, minute, edge_id, reason) do update set closed = t.closed + excluded.closed`);
  }
  if (backends.length > 0) {
    await tx.execute(sql`
      insert into backend_minutes as t
        (route_uid, backend, minute, edge_id, attempts, failures, opened, closed, rx_bytes, tx_bytes)
      select uid, backend, ${at}, ${edgeId}::uuid, attempts, failures, opened, closed, rx, tx
      from json_to_recordset(${JSON.stringify(backends)}::json) as r(
        uid text, backend text, attempts bigint, failures bigint, opened bigint, closed bigint, rx bigint, tx bigint)
      order by uid, backend
      on conflict (route_uid, backend, minute, edge_id) do update set
        attempts = t.attempts + excluded.attempts, failures = t.failures + excluded.failures,
        opened = t.opened + excluded.opened, closed = t.closed + excluded.closed,
        rx_bytes = t.rx_bytes + excluded.rx_bytes, tx_bytes = t.tx_bytes + excluded.tx_bytes`);
  }
  return impossible;
}

/**
 * Raises opened to closed where a boot closed more than it is known to have opened: reports of it are lost, and a connection that was closed
 * was opened in one of them.
 */
export async function openWhatClosed(
  tx: Tx,
  { edgeId, bootId, minute }: { edgeId: string; bootId: string; minute: Date | null },
): Promise<void> {
  const { rows: found } = await tx.execute<{ uid: string; opened: number }>(sql`
    with short as (
      select route_uid, closed - opened as opened from traffic_totals
      where edge_id = ${edgeId} and boot_id = ${bootId} and closed > opened
      order by route_uid for update
    ), raised as (
      update traffic_totals as t set opened = t.closed from short
      where t.route_uid = short.route_uid and t.edge_id = ${edgeId} and t.boot_id = ${bootId}
    )
    select route_uid as uid, opened from short`);
  if (minute === null || found.length === 0) return;
  await tx.execute(sql`
    insert into traffic_minutes as t (route_uid, minute, edge_id, opened, closed, rx_bytes, tx_bytes)
    select uid, ${minute.toISOString()}::timestamptz, ${edgeId}::uuid, opened, 0, 0, 0
    from json_to_recordset(${JSON.stringify(found)}::json) as r(uid text, opened bigint) order by uid
    on conflict (route_uid, minute, edge_id) do update set opened = t.opened + excluded.opened`);
}

/**
 * Makes opened and closed of ended boots equal: what they left open is closed as edge_lost, in the totals and in that minute. Where that
 * was done before and a late report closed some of it after all, the number comes down again.
 */
export async function settleBoots(
  tx: Tx,
  { edgeId, bootIds, minute }: { edgeId: string; bootIds: readonly string[]; minute: Date | null },
): Promise<void> {
  const { rows: lost } = await tx.execute<{ uid: string; closed: number }>(sql`
    with ended as (
      select route_uid, boot_id, opened - closed as lost from traffic_totals
      where edge_id = ${edgeId} and opened <> closed
        and boot_id::text in (select json_array_elements_text(${JSON.stringify(bootIds)}::json))
      order by route_uid, boot_id for update
    ), closed as (
      update traffic_totals as t set closed = t.opened from ended
      where t.route_uid = ended.route_uid and t.boot_id = ended.boot_id and t.edge_id = ${edgeId}
    )
    select route_uid as uid, sum(lost)::bigint as closed from ended group by route_uid having sum(lost) <> 0`);
  if (lost.length === 0) return;
  const rows = sql`json_to_recordset(${JSON.stringify(lost)}::json) as r(uid text, closed bigint)`;
  await tx.execute(sql`
    insert into traffic_total_closes as t (route_uid, edge_id, reason, closed)
    select uid, ${edgeId}::uuid, 'edge_lost', closed from ${rows} order by uid
    on conflict (route_uid, edge_id, reason) do update set closed = t.closed + excluded.closed`);
  if (minute === null) return;
  const at = sql`${minute.toISOString()}::timestamptz`;
  await tx.execute(sql`
    insert into traffic_minutes as t (route_uid, minute, edge_id, opened, closed, rx_bytes, tx_bytes)
    select uid, ${at}, ${edgeId}::uuid, 0, closed, 0, 0 from ${rows} order by uid
    on conflict (route_uid, minute, edge_id) do update set closed = t.closed + excluded.closed`);
  await tx.execute(sql`
    insert into traffic_minute_closes as t (route_uid, minute, edge_id, reason, closed)
    select uid, ${at}, ${edgeId}::uuid, 'edge_lost', closed from ${rows} order by uid
    on conflict (route_uid, minute, edge_id, reason) do update set closed = t.closed + excluded.closed`);
}
