import { sql } from "drizzle-orm";
import { check, index, jsonb, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { bytea, count, instant } from "./columns.ts";
import type { TeamSpec } from "../../fleet/specs.ts";

/** What every object that people write has. */
export const described = {
  labels: jsonb().$type<Record<string, string>>().notNull().default({}),
  description: text().notNull().default(""),
  managedBy: text().notNull().default(""),
  /** The ETag. */
  version: count()
    .notNull()
    .default(sql`1`),
  createdAt: instant().notNull().defaultNow(),
  updatedAt: instant().notNull().defaultNow(),
};

export const teams = pgTable("teams", {
  id: uuid().primaryKey().defaultRandom(),
  name: text().notNull().unique(),
  spec: jsonb().$type<TeamSpec>().notNull(),
  ...described,
});

export const tokens = pgTable(
  "tokens",
  {
    id: uuid().primaryKey().defaultRandom(),
    name: text().notNull(),
    /** SHA-256 of the token; the token itself is nowhere. */
    hash: bytea().notNull().unique(),
    /** null: a role over the whole fleet. */
    teamId: uuid("team_id").references(() => teams.id, { onDelete: "cascade" }),
    role: text().$type<Role>().notNull(),
    createdBy: text("created_by").notNull(),
    createdAt: instant().notNull().defaultNow(),
    expiresAt: instant(),
    lastUsedAt: instant(),
    revokedAt: instant(),
  },
  (t) => [
    index("tokens_team").on(t.teamId),
    check("tokens_role_scope", sql`(${t.role} in ('admin', 'viewer')) = (${t.teamId} is null)`),
  ],
);

export const fleetRoles = ["admin", "viewer"] as const;
export const teamRoles = ["owner", "editor", "reader"] as const;
export const roles = [...fleetRoles, ...teamRoles] as const;
export type Role = (typeof roles)[number];

export const domainScopes = ["exact", "tree"] as const;
export type DomainScope = (typeof domainScopes)[number];
export const domainStates = ["pending", "verified"] as const;
export type DomainState = (typeof domainStates)[number];

/** A team's claim to a name. */
export const domains = pgTable(
  "domains",
  {
    id: uuid().primaryKey().defaultRandom(),
    teamId: uuid("team_id")
      .notNull()
      .references(() => teams.id),
    /** Canonical. */
    name: text().notNull(),
    scope: text().$type<DomainScope>().notNull(),
    state: text().$type<DomainState>().notNull(),
    /** What the TXT record must hold. */
    challenge: text().notNull(),
    approvedBy: text("approved_by"),
    verifiedAt: instant(),
    version: count()
      .notNull()
      .default(sql`1`),
    createdAt: instant().notNull().defaultNow(),
    updatedAt: instant().notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex("domains_team_name").on(t.teamId, t.name),
    uniqueIndex("domains_one_holder")
      .on(t.name)
      .where(sql`${t.state} = 'verified'`),
    // Finds what lies below a name: the end of a name is the beginning of its reverse.
    index("domains_reversed").on(sql`reverse(${t.name}) text_pattern_ops`),
  ],
);
