import { sql } from "drizzle-orm";
import { jsonb, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import { bytea, count, instant } from "./columns.ts";
import { described } from "./teams.ts";
import type { PoolSpec } from "../../fleet/specs.ts";

export const pools = pgTable("pools", {
  id: uuid().primaryKey().defaultRandom(),
  name: text().notNull().unique(),
  spec: jsonb().$type<PoolSpec>().notNull(),
  /** Number of the commit that made the table what it is: taken under this row's lock, so revision order is commit order. */
  revision: count()
    .notNull()
    .default(sql`0`),
  /** Digest of the table at that revision, 32 bytes. */
  digest: bytea().notNull(),
  ...described,
});

/** One row a revision, without gaps. */
export const revisions = pgTable(
  "revisions",
  {
    poolId: uuid("pool_id")
      .notNull()
      .references(() => pools.id, { onDelete: "cascade" }),
    revision: count().notNull(),
    author: text().notNull(),
    cause: text().notNull(),
    digest: bytea().notNull(),
    createdAt: instant().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.poolId, t.revision] })],
);

/** The current table of each pool, object by object. kind: 1 route, 2 barrier, 3 settings, as in edge.proto. */
export const tableObjects = pgTable(
  "table_objects",
  {
    poolId: uuid("pool_id")
      .notNull()
      .references(() => pools.id, { onDelete: "cascade" }),
    kind: smallint().notNull(),
    objectId: text("object_id").notNull(),
    body: bytea().notNull(),
    hash: bytea().notNull(),
    /** The revision that made it what it is. */
    revision: count().notNull(),
  },
  (t) => [primaryKey({ columns: [t.poolId, t.kind, t.objectId] })],
);

/** What each revision changed. A delta is the last change of every object in a range of revisions. */
export const tableChanges = pgTable(
  "table_changes",
  {
    poolId: uuid("pool_id")
      .notNull()
      .references(() => pools.id, { onDelete: "cascade" }),
    revision: count().notNull(),
    kind: smallint().notNull(),
    objectId: text("object_id").notNull(),
    /** null: removed. */
    body: bytea(),
    hash: bytea(),
    /** Of a removal: RemovalCause of edge.proto. */
    removalCause: smallint("removal_cause"),
  },
  (t) => [primaryKey({ columns: [t.poolId, t.revision, t.kind, t.objectId] })],
);
