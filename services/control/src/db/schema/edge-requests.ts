import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, uuid } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";
import { edges } from "./edges.ts";

/** What an edge is to do at once. */
export type EdgeAction = { kind: "cut"; routeUid: string };

/** What became of it at the edge. */
export type EdgeRequestResult = { connections: number } | { error: string };

/**
 * What somebody wants of an edge now. Whoever asks writes a row, and the replica that holds the edge's session fulfils it: the two may
 * be different processes.
 */
export const edgeRequests = pgTable(
  "edge_requests",
  {
    id: uuid().primaryKey(),
    edgeId: uuid("edge_id")
      .notNull()
      .references(() => edges.id, { onDelete: "cascade" }),
    action: jsonb().$type<EdgeAction>().notNull(),
    createdAt: instant().notNull(),
    /** It is sent to no edge from then on. */
    expiresAt: instant().notNull(),
    fulfilledAt: instant(),
    result: jsonb().$type<EdgeRequestResult>(),
  },
  (t) => [
    index("edge_requests_open")
      .on(t.edgeId)
      .where(sql`${t.fulfilledAt} is null`),
    index("edge_requests_created").on(t.createdAt),
  ],
);
