import { sql } from "drizzle-orm";
import { boolean, check, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { bytea, count, instant } from "./columns.ts";

/** The one row that says which installation this database is. */
export const installation = pgTable(
  "installation",
  {
    singleton: boolean().primaryKey().default(true),
    id: uuid().notNull().defaultRandom(),
    /** Raised by an administrator after a restore from backup. */
    epoch: count()
      .notNull()
      .default(sql`1`),
    /** Sealed constant: a wrong secret key is noticed before anything is written with it. */
    secretCheck: bytea("secret_check").notNull(),
    createdAt: instant().notNull().defaultNow(),
  },
  (t) => [check("installation_singleton", sql`${t.singleton}`)],
);

/** Certificate authorities of the installation; two overlap while one is rotated. */
export const authorities = pgTable("authorities", {
  id: uuid().primaryKey().defaultRandom(),
  /** X.509, DER. */
  certificate: bytea().notNull(),
  /** PKCS #8, sealed. */
  sealedKey: bytea("sealed_key").notNull(),
  createdAt: instant().notNull().defaultNow(),
  retiredAt: instant(),
});

/** Sockets of the control plane's replicas and of the database, as IP addresses: no backend may be one. */
export const controlSockets = pgTable(
  "control_sockets",
  {
    /** Canonical; 0.0.0.0 or :: for every address of that host. */
    address: text().notNull(),
    port: integer().notNull(),
    /** http, grpc, database. */
    purpose: text().notNull(),
    /** When a replica last said so; one that moved leaves an old row behind for a while. */
    seenAt: instant().notNull(),
  },
  (t) => [primaryKey({ columns: [t.address, t.port, t.purpose] })],
);

/** What a repeated POST answers. Claimed in the write's transaction. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    /** SHA-256 over principal, method, path and key. */
    id: bytea().primaryKey(),
    requestHash: bytea("request_hash").notNull(),
    status: count().notNull(),
    /** null: the response held a secret and is not kept. */
    response: text(),
    createdAt: instant().notNull().defaultNow(),
  },
  (t) => [index("idempotency_keys_created").on(t.createdAt)],
);
