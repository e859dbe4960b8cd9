import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import { bytea, count, instant } from "./columns.ts";
import { pools } from "./pools.ts";
import { described } from "./teams.ts";

/** An address and port as an edge reports them. */
export interface ReportedSocket {
  address: string;
  port: number;
}

export const edges = pgTable(
  "edges",
  {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull().unique(),
    poolId: uuid("pool_id")
      .notNull()
      .references(() => pools.id),
    ...described,
    /** What the agent said in its last Hello. */
    agentVersion: text("agent_version"),
    features: jsonb().$type<string[]>().notNull().default([]),
    listeners: jsonb().$type<ReportedSocket[]>().notNull().default([]),
    admin: jsonb().$type<ReportedSocket>(),
    addresses: jsonb().$type<string[]>().notNull().default([]),
    /** Of the newest session; an older one may write nothing more. */
    session: count()
      .notNull()
      .default(sql`0`),
    /** Set while a session is open and touched by it; a replica that dies leaves an old time behind. */
    seenAt: instant(),
    disconnectedAt: instant(),
    appliedEpoch: count()
      .notNull()
      .default(sql`0`),
    appliedRevision: count()
      .notNull()
      .default(sql`0`),
    appliedAt: instant(),
    savedRevision: count(),
    /** What the agent says is wrong with saving; empty when nothing. */
    diskError: text("disk_error").notNull().default(""),
    revokedAt: instant(),
  },
  (t) => [index("edges_pool").on(t.poolId)],
);

/** Objects an edge does not serve as offered. */
export const edgeRefusals = pgTable(
  "edge_refusals",
  {
    edgeId: uuid("edge_id")
      .notNull()
      .references(() => edges.id, { onDelete: "cascade" }),
    kind: smallint().notNull(),
    objectId: text("object_id").notNull(),
    offeredHash: bytea("offered_hash").notNull(),
    /** null: nothing is served in its place. */
    usedHash: bytea("used_hash"),
    code: text().notNull(),
    detail: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.edgeId, t.kind, t.objectId] }), index("edge_refusals_object").on(t.objectId)],
);

export const joinTokens = pgTable("join_tokens", {
  id: uuid().primaryKey().defaultRandom(),
  /** SHA-256 of the token. */
  hash: bytea().notNull().unique(),
  poolId: uuid("pool_id")
    .notNull()
    .references(() => pools.id, { onDelete: "cascade" }),
  /** null: the agent chooses. */
  edgeName: text("edge_name"),
  labels: jsonb().$type<Record<string, string>>().notNull().default({}),
  createdBy: text("created_by").notNull(),
  createdAt: instant().notNull().defaultNow(),
  expiresAt: instant().notNull(),
  consumedAt: instant(),
  /** SHA-256 of the public key (SPKI) that consumed it: the same key gets the same answer again. */
  keyHash: bytea("key_hash"),
  edgeId: uuid("edge_id").references(() => edges.id, { onDelete: "cascade" }),
});

export const certificates = pgTable(
  "certificates",
  {
    /** Lower-case hex of the 16 bytes. */
    serial: text().primaryKey(),
    edgeId: uuid("edge_id")
      .notNull()
      .references(() => edges.id, { onDelete: "cascade" }),
    /** 1 at enrolment, counting up with every renewal. */
    generation: count().notNull(),
    keyHash: bytea("key_hash").notNull(),
    /** X.509, DER. */
    certificate: bytea().notNull(),
    notBefore: instant().notNull(),
    notAfter: instant().notNull(),
    revokedAt: instant(),
    createdAt: instant().notNull().defaultNow(),
  },
  (t) => [index("certificates_edge").on(t.edgeId)],
);
