import { sql } from "drizzle-orm";
import { foreignKey, index, jsonb, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { count } from "./columns.ts";
import { pools } from "./pools.ts";
import { described, teams } from "./teams.ts";
import type { RouteSpec } from "../../fleet/specs.ts";

export const routes = pgTable(
  "routes",
  {
    /** The uid that accounting keys on. */
    id: uuid().primaryKey().defaultRandom(),
    teamId: uuid("team_id")
      .notNull()
      .references(() => teams.id),
    name: text().notNull(),
    poolId: uuid("pool_id")
      .notNull()
      .references(() => pools.id),
    spec: jsonb().$type<RouteSpec>().notNull(),
    /** Revision of its pool that carries its current version. */
    revision: count().notNull(),
    ...described,
  },
  (t) => [unique("routes_team_name").on(t.teamId, t.name), index("routes_pool").on(t.poolId)],
);

/** Which team holds a hostname in a pool: the constraint that makes conflicts between teams impossible. */
export const names = pgTable(
  "names",
  {
    poolId: uuid("pool_id")
      .notNull()
      .references(() => pools.id),
    /** Canonical; a wildcard starts with "*.". */
    hostname: text().notNull(),
    teamId: uuid("team_id")
      .notNull()
      .references(() => teams.id),
  },
  (t) => [
    primaryKey({ columns: [t.poolId, t.hostname] }),
    unique("names_pool_hostname_team").on(t.poolId, t.hostname, t.teamId),
    // Finds what lies below a name: the end of a name is the beginning of its reverse.
    index("names_reversed").on(sql`reverse(${t.hostname}) text_pattern_ops`),
  ],
);

/** Which route holds a hostname with which criteria. */
export const routeNames = pgTable(
  "route_names",
  {
    poolId: uuid("pool_id").notNull(),
    hostname: text().notNull(),
    /** Canonical text of the criteria, or its hash where it is long; empty for none. */
    criteriaKey: text("criteria_key").notNull(),
    teamId: uuid("team_id").notNull(),
    routeId: uuid("route_id")
      .notNull()
      .references(() => routes.id, { onDelete: "cascade" }),
  },
  (t) => [
    primaryKey({ columns: [t.poolId, t.hostname, t.criteriaKey] }),
    foreignKey({
      name: "route_names_names_fk",
      columns: [t.poolId, t.hostname, t.teamId],
      foreignColumns: [names.poolId, names.hostname, names.teamId],
    }),
    index("route_names_route").on(t.routeId),
  ],
);
