import { sql } from "drizzle-orm";
import { foreignKey, index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { count, instant } from "./columns.ts";
import { edges } from "./edges.ts";

/** How far the reports of one run of an agent have been applied. The row's lock serialises them. */
export const edgeBoots = pgTable(
  "edge_boots",
  {
    edgeId: uuid("edge_id")
      .notNull()
      .references(() => edges.id, { onDelete: "cascade" }),
    bootId: uuid("boot_id").notNull(),
    appliedSequence: count().notNull(),
    firstReportAt: instant().notNull(),
    lastEndAt: instant().notNull(),
    /** Set when a newer boot reported; what was open then is closed as edge_lost. */
    supersededAt: instant(),
  },
  (t) => [primaryKey({ columns: [t.edgeId, t.bootId] })],
);

/** Reports that their edge has lost: what they counted is in no sum. */
export const reportGaps = pgTable(
  "report_gaps",
  {
    edgeId: uuid("edge_id").notNull(),
    bootId: uuid("boot_id").notNull(),
    /** Both inclusive. */
    fromSequence: count().notNull(),
    toSequence: count().notNull(),
    noticedAt: instant().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.edgeId, t.bootId, t.fromSequence] }),
    // Of the boot and not of the edge: its row is locked when a gap is written, so no further one is taken.
    foreignKey({ columns: [t.edgeId, t.bootId], foreignColumns: [edgeBoots.edgeId, edgeBoots.bootId] }).onDelete(
      "cascade",
    ),
  ],
);

const counters = {
  opened: count().notNull(),
  closed: count().notNull(),
  rxBytes: count().notNull(),
  txBytes: count().notNull(),
};

/** Connections that a limit in the mode observe would have refused or slowed. */
const overLimit = count()
  .notNull()
  .default(sql`0`);

/**
 * Running totals, never pruned. Per edge, so that two edges never wait for each other and active is known per boot.
 * routeUid is the route's uid, or "@noSni:<pool id>", "@unmatched:<pool id>", "-:<pool id>".
 */
export const trafficTotals = pgTable(
  "traffic_totals",
  {
    routeUid: text("route_uid").notNull(),
    edgeId: uuid("edge_id").notNull(),
    bootId: uuid("boot_id").notNull(),
    ...counters,
    overLimit,
  },
  (t) => [
    primaryKey({ columns: [t.routeUid, t.edgeId, t.bootId] }),
    index("traffic_totals_boot").on(t.edgeId, t.bootId),
  ],
);

export const trafficTotalCloses = pgTable(
  "traffic_total_closes",
  {
    routeUid: text("route_uid").notNull(),
    edgeId: uuid("edge_id").notNull(),
    reason: text().notNull(),
    closed: count().notNull(),
  },
  (t) => [primaryKey({ columns: [t.routeUid, t.edgeId, t.reason] })],
);

export const trafficMinutes = pgTable(
  "traffic_minutes",
  {
    routeUid: text("route_uid").notNull(),
    minute: instant().notNull(),
    edgeId: uuid("edge_id").notNull(),
    ...counters,
    overLimit,
  },
  (t) => [primaryKey({ columns: [t.routeUid, t.minute, t.edgeId] })],
);

export const trafficMinuteCloses = pgTable(
  "traffic_minute_closes",
  {
    routeUid: text("route_uid").notNull(),
    minute: instant().notNull(),
    edgeId: uuid("edge_id").notNull(),
    reason: text().notNull(),
    closed: count().notNull(),
  },
  (t) => [primaryKey({ columns: [t.routeUid, t.minute, t.edgeId, t.reason] })],
);

export const backendMinutes = pgTable(
  "backend_minutes",
  {
    routeUid: text("route_uid").notNull(),
    backend: text().notNull(),
    minute: instant().notNull(),
    edgeId: uuid("edge_id").notNull(),
    attempts: count().notNull(),
    failures: count().notNull(),
    ...counters,
  },
  (t) => [primaryKey({ columns: [t.routeUid, t.backend, t.minute, t.edgeId] })],
);
