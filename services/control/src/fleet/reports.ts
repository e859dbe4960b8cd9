// Traffic reports, applied exactly once.
//
// Invariants, at every commit:
// - edge_boots.applied_sequence is the last report of that boot in the sums; the row's lock makes reports of a boot follow each other.
// - A report that declares those before it lost is applied all the same, and the gap is written in report_gaps.
// - The minutes of a route add up to its totals, but for reports from the future, which are in the totals only.
// - In the totals opened - closed is what is open now: 0 for every boot but the edge's newest. What a boot left open when a newer one
//   reported is closed as edge_lost; a report of it that comes later corrects that number.
import { and, eq, isNull, ne, sql } from "drizzle-orm";
import type { CloseReason } from "@helloway/routing/close-reason";
import type { Db, Tx } from "../db/database.ts";
import { edges } from "../db/schema/edges.ts";
import { edgeBoots, reportGaps } from "../db/schema/traffic.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { addTraffic, openWhatClosed, settleBoots } from "./traffic-sums.ts";

export interface ReportedBackend {
  backend: string;
  attempts: number;
  failures: number;
  opened: number;
  closed: number;
  rxBytes: number;
  txBytes: number;
}

export interface ReportedRoute {
  /** Of a route, or "@noSni", "@unmatched", "-". */
  uid: string;
  opened: number;
  closed: { reason: CloseReason; count: number }[];
  rxBytes: number;
  txBytes: number;
  /** Connections that a limit in the mode observe would have refused or slowed. */
  overLimit: number;
  backends: ReportedBackend[];
}

/** What an edge did since its last report. Checked and bounded; each uid and each backend of it once. */
export interface TrafficReport {
  bootId: string;
  /** 1, 2, 3 ... within a boot. */
  sequence: number;
  start: Date;
  end: Date;
  routes: ReportedRoute[];
  /** Reports before this one, up to the one before it, that the edge has no more; null: none. */
  lost: { from: number; to: number } | null;
}

export interface ReportOutcome {
  /** The last report of this boot that is in the sums. */
  appliedSequence: number;
  /** False: it was in them before, or an earlier one is missing. */
  applied: boolean;
  /** Uids that were left out: never a route of the edge's pool. */
  unknownUids: string[];
  /** Reports that are lost by this one's declaration, both inclusive. */
  gap: { from: number; to: number } | null;
}

/** An edge's clock that is so far ahead is wrong; its minutes would lie about the future. */
const aheadMaxMs = 24 * 3_600_000;

/** Adds a report to the sums if it is the next one of its boot. Throws malformed/bad_report for counts that cannot be. */
export async function applyReport(
  db: Db,
  { edge, report, now }: { edge: { edgeId: string; poolId: string }; report: TrafficReport; now: Date },
): Promise<ReportOutcome> {
  const { edgeId, poolId } = edge;
  return await inTransaction(db, async (tx) => {
    const boot = (await lockBoot(tx, edgeId, report.bootId)) ?? (await beginBoot(tx, edgeId, report, now));
    if (boot === null || !isNext(report, boot.appliedSequence)) {
      return { appliedSequence: boot?.appliedSequence ?? 0, applied: false, unknownUids: [], gap: null };
    }
    const gap =
      report.sequence === boot.appliedSequence + 1 ? null : { from: boot.appliedSequence + 1, to: report.sequence - 1 };
    if (gap !== null) await writeGap(tx, { edgeId, bootId: report.bootId, gap, now });
    const isMinuteKnown = report.start.getTime() - now.getTime() <= aheadMaxMs;
    const minute = isMinuteKnown ? minuteOf(report.start) : null;
    const known = await knownUids(tx, edge, report.routes);
    const routes = report.routes.filter(({ uid }) => known.has(uid));
    const impossible = await addTraffic(tx, { edgeId, poolId, bootId: report.bootId, minute, routes });
    if (boot.supersededAt !== null) await settleBoots(tx, { edgeId, bootIds: [report.bootId], minute });
    else if (impossible && (await hasGap(tx, edgeId, report.bootId))) {
      await openWhatClosed(tx, { edgeId, bootId: report.bootId, minute });
    } else if (impossible) {
      throw new HellowayError("malformed", "bad_report", "The report closes connections that were never opened.");
    }
    await tx
      .update(edgeBoots)
      .set({ appliedSequence: report.sequence, lastEndAt: report.end })
      .where(and(eq(edgeBoots.edgeId, edgeId), eq(edgeBoots.bootId, report.bootId)));
    const unknownUids = report.routes.map(({ uid }) => uid).filter((uid) => !known.has(uid));
    return { appliedSequence: report.sequence, applied: true, unknownUids, gap };
  });
}

/** Whether nothing between the last applied one and this report will still come. */
function isNext({ sequence, lost }: Pick<TrafficReport, "sequence" | "lost">, appliedSequence: number): boolean {
  if (sequence <= appliedSequence) return false;
  return sequence === appliedSequence + 1 || (lost !== null && lost.from <= appliedSequence + 1);
}

async function writeGap(
  tx: Tx,
  { edgeId, bootId, gap, now }: { edgeId: string; bootId: string; gap: { from: number; to: number }; now: Date },
): Promise<void> {
  await tx.insert(reportGaps).values({ edgeId, bootId, fromSequence: gap.from, toSequence: gap.to, noticedAt: now });
}

async function hasGap(tx: Tx, edgeId: string, bootId: string): Promise<boolean> {
  const gaps = await tx
    .select({ from: reportGaps.fromSequence })
    .from(reportGaps)
    .where(and(eq(reportGaps.edgeId, edgeId), eq(reportGaps.bootId, bootId)))
    .limit(1);
  return gaps.length > 0;
}

type Boot = typeof edgeBoots.$inferSelect;

async function lockBoot(tx: Tx, edgeId: string, bootId: string): Promise<Boot | null> {
  const [boot] = await tx
    .select()
    .from(edgeBoots)
    .where(and(eq(edgeBoots.edgeId, edgeId), eq(edgeBoots.bootId, bootId)))
    .for("update");
  return boot ?? null;
}

/**
 * The row of a boot that reports for the first time. Of an edge's boots the one that began last is its newest: it supersedes the others,
 * and is itself superseded when it comes after a newer one (its spool was sent late). null: its first report is missing.
 */
async function beginBoot(tx: Tx, edgeId: string, report: TrafficReport, now: Date): Promise<Boot | null> {
  if (!isNext(report, 0)) return null;
  // Two boots of an edge that begin at one moment are taken one after the other.
  const [edge] = await tx.select({ id: edges.id }).from(edges).where(eq(edges.id, edgeId)).for("no key update");
  if (edge === undefined) throw new HellowayError("unauthenticated", "edge_revoked", "The edge was deleted.");
  const before = await lockBoot(tx, edgeId, report.bootId);
  if (before !== null) return before;
  // A clock that is ahead must not make this boot the newest for ever.
  const firstReportAt = new Date(Math.min(report.start.getTime(), now.getTime()));
  const open = await tx
    .select()
    .from(edgeBoots)
    .where(and(eq(edgeBoots.edgeId, edgeId), isNull(edgeBoots.supersededAt)))
    .for("update");
  const isNewest = open.every((other) => other.firstReportAt <= firstReportAt);
  if (isNewest && open.length > 0) {
    const bootIds = open.map(({ bootId }) => bootId);
    await tx
      .update(edgeBoots)
      .set({ supersededAt: now })
      .where(and(eq(edgeBoots.edgeId, edgeId), isNull(edgeBoots.supersededAt), ne(edgeBoots.bootId, report.bootId)));
    await settleBoots(tx, { edgeId, bootIds, minute: minuteOf(firstReportAt) });
  }
  const [boot] = await tx
    .insert(edgeBoots)
    .values({
      edgeId,
      bootId: report.bootId,
      appliedSequence: 0,
      firstReportAt,
      lastEndAt: report.end,
      supersededAt: isNewest ? null : now,
    })
    .returning();
  return boot ?? null;
}

/** Of the uids those that are or were a route of the pool, and the three that every pool has. */
async function knownUids(
  tx: Tx,
  { edgeId, poolId }: { edgeId: string; poolId: string },
  routes: readonly ReportedRoute[],
): Promise<Set<string>> {
  const uids = routes.map(({ uid }) => uid).filter((uid) => uid !== "-" && !uid.startsWith("@"));
  if (uids.length === 0) return new Set(["-", "@noSni", "@unmatched"]);
  // In steps, because the last place is asked only for what neither is a route now nor was counted here before.
  const { rows } = await tx.execute<{ uid: string }>(sql`
    with asked as (select uid from json_array_elements_text(${JSON.stringify(uids)}::json) as asked(uid)),
    current as (
      select asked.uid from asked join routes on routes.id = asked.uid::uuid where routes.pool_id = ${poolId}
    ),
    counted as (
      select distinct asked.uid from asked join traffic_totals as t on t.route_uid = asked.uid and t.edge_id = ${edgeId}
    ),
    rest as (select uid from asked except select uid from current except select uid from counted)
    select uid from current union select uid from counted
    union select uid from rest where exists (
      select 1 from table_changes as c where c.pool_id = ${poolId} and c.kind = 1 and c.object_id = rest.uid
    )`);
  return new Set(["-", "@noSni", "@unmatched", ...rows.map(({ uid }) => uid)]);
}

function minuteOf(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / 60_000) * 60_000);
}
