import { and, eq, sql } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { read } from "../db/read.ts";
import { routes } from "../db/schema/routes.ts";
import { HellowayError } from "../errors.ts";
import { requireTeam } from "./authorise.ts";
import type { Context } from "./context.ts";

export interface TrafficCounts {
  opened: number;
  /** Open at the end of the span. */
  active: number;
  closed: number;
  /** From clients, and to them. */
  rxBytes: number;
  txBytes: number;
  /** Connections that a limit in the mode observe would have refused or slowed. */
  overLimit: number;
  /** Closed ones by close reason. */
  reasons: Record<string, number>;
}

export interface RouteStats {
  totals: TrafficCounts;
  /** Of the span in steps, empty ones included; nothing when none was asked for. */
  series: ({ at: Date } & TrafficCounts)[];
}

export interface GetRouteStats {
  team: string;
  route: string;
  /** Inclusive; without any of these three, the totals are those since the route was made. Counts are kept by the minute. */
  from?: Date;
  /** Exclusive; absent: now. */
  to?: Date;
  /** Whole minutes; absent: one minute, or more when there would be too many items. */
  stepMs?: number;
}

const minuteMs = 60_000;
/** The last one that the database can write. */
const lastMinute = Date.parse("9999-12-31T23:59:00Z");
/** A day by the minute; more is no chart. */
const itemsMax = 1_500;

/** What the connections of a route did. Readers of its team. */
export async function getRouteStats(ctx: Context, input: GetRouteStats): Promise<RouteStats> {
  return await read(ctx.db, async (db) => {
    const team = await requireTeam(ctx, input.team, "reader");
    const [route] = await db
      .select({ uid: routes.id, createdAt: routes.createdAt })
      .from(routes)
      .where(and(eq(routes.teamId, team.id), eq(routes.name, input.route)));
    if (route === undefined) {
      throw new HellowayError(
        "not_found",
        "route_not_found",
        `There is no route "${input.route}" in team "${team.name}".`,
      );
    }
    const totals = await readTotals(db, route.uid);
    if (input.from === undefined && input.to === undefined && input.stepMs === undefined) return { totals, series: [] };
    return await readSpan(db, {
      uid: route.uid,
      activeNow: totals.active,
      ...toSpan(input, route.createdAt, ctx.now()),
    });
  });
}

interface Span {
  from: Date;
  to: Date;
  stepMs: number;
}

/** Whole minutes, since that is what there is: an instant within one takes all of it. */
function toSpan({ from, to, stepMs }: GetRouteStats, createdAt: Date, now: Date): Span {
  const begin = Math.floor((from ?? createdAt).getTime() / minuteMs) * minuteMs;
  const end = Math.min(Math.ceil((to ?? now).getTime() / minuteMs) * minuteMs, lastMinute);
  if (end <= begin) throw badSpan("/to", "`to` is to be after `from`; absent, they are now and the route's creation.");
  const finest = Math.ceil((end - begin) / itemsMax / minuteMs) * minuteMs;
  const step = stepMs ?? finest;
  if (step < minuteMs || step % minuteMs !== 0) throw badSpan("/step", "A step is whole minutes.");
  if (step < finest)
    throw badSpan("/step", `That is more than ${itemsMax} items. Ask for longer steps or a shorter span.`);
  return { from: new Date(begin), to: new Date(end), stepMs: step };
}

function badSpan(pointer: string, detail: string): HellowayError {
  const problems = [{ pointer: pointer.replace("/", "?"), code: "out_of_range", detail }];
  return new HellowayError("invalid", "out_of_range", detail, { problems });
}

async function readTotals(db: Db, uid: string): Promise<TrafficCounts> {
  const sums = await db.execute<Omit<TrafficCounts, "active" | "reasons">>(sql`
    select coalesce(sum(opened), 0)::bigint as opened, coalesce(sum(closed), 0)::bigint as closed,
      coalesce(sum(rx_bytes), 0)::bigint as "rxBytes", coalesce(sum(tx_bytes), 0)::bigint as "txBytes",
      coalesce(sum(over_limit), 0)::bigint as "overLimit"
    from traffic_totals where route_uid = ${uid}`);
  const closes = await db.execute<{ reason: string; closed: number }>(sql`
    select reason, sum(closed)::bigint as closed from traffic_total_closes
    where route_uid = ${uid} group by reason having sum(closed) <> 0 order by reason`);
  const { opened, closed, rxBytes, txBytes, overLimit } = sums.rows[0] ?? nothing();
  const reasons = Object.fromEntries(closes.rows.map((row) => [row.reason, row.closed]));
  return { opened, active: opened - closed, closed, rxBytes, txBytes, overLimit, reasons };
}

async function readSpan(db: Db, query: Span & { uid: string; activeNow: number }): Promise<RouteStats> {
  const { uid, from, to, stepMs, activeNow } = query;
  const [begin, end] = [sql`${from.toISOString()}::timestamptz`, sql`${to.toISOString()}::timestamptz`];
  // From 0 at the beginning of the span; a bigint, for date_bin knows no steps of months and needs none.
  const item = sql`floor(extract(epoch from (minute - ${begin})) * 1000 / ${stepMs}::numeric)::int`;
  const sums = await db.execute<{ item: number } & Omit<TrafficCounts, "active" | "reasons">>(sql`
    select ${item} as item, sum(opened)::bigint as opened, sum(closed)::bigint as closed,
      sum(rx_bytes)::bigint as "rxBytes", sum(tx_bytes)::bigint as "txBytes",
      sum(over_limit)::bigint as "overLimit"
    from traffic_minutes where route_uid = ${uid} and minute >= ${begin} and minute < ${end} group by 1`);
  const closes = await db.execute<{ item: number; reason: string; closed: number }>(sql`
    select ${item} as item, reason, sum(closed)::bigint as closed
    from traffic_minute_closes where route_uid = ${uid} and minute >= ${begin} and minute < ${end} group by 1, 2`);
  const after = await db.execute<{ grown: number }>(sql`
    select coalesce(sum(opened - closed), 0)::bigint as grown
    from traffic_minutes where route_uid = ${uid} and minute >= ${end}`);

  const series = Array.from({ length: Math.ceil((to.getTime() - from.getTime()) / stepMs) }, (_, index) => ({
    at: new Date(from.getTime() + index * stepMs),
    ...nothing(),
  }));
  for (const { item: index, ...counts } of sums.rows) Object.assign(series[index] ?? {}, counts);
  for (const { item: index, reason, closed } of closes.rows) {
    const found = series[index];
    if (found !== undefined && closed !== 0) found.reasons[reason] = closed;
  }
  // Backwards from what is open now, for the minutes before the span may be gone.
  let active = activeNow - (after.rows[0]?.grown ?? 0);
  for (const counts of series.toReversed()) {
    counts.active = active;
    active -= counts.opened - counts.closed;
  }
  return { totals: sumOf(series), series };
}

function sumOf(series: readonly TrafficCounts[]): TrafficCounts {
  const totals = nothing();
  for (const counts of series) {
    totals.opened += counts.opened;
    totals.closed += counts.closed;
    totals.rxBytes += counts.rxBytes;
    totals.txBytes += counts.txBytes;
    totals.overLimit += counts.overLimit;
    for (const [reason, closed] of Object.entries(counts.reasons)) {
      totals.reasons[reason] = (totals.reasons[reason] ?? 0) + closed;
    }
  }
  totals.active = series.at(-1)?.active ?? 0;
  return totals;
}

function nothing(): TrafficCounts {
  return { opened: 0, active: 0, closed: 0, rxBytes: 0, txBytes: 0, overLimit: 0, reasons: {} };
}
