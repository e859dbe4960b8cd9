import { bigserial, index, jsonb, pgTable, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Who did what to which object, written in the transaction that did it. A trigger refuses to change or delete rows. */
export const auditEvents = pgTable(
  "audit_events",
  {
    id: bigserial({ mode: "number" }).primaryKey(),
    at: instant().notNull().defaultNow(),
    actor: text().notNull(),
    /** HTTP request, enrolment, job: where it came from. */
    origin: text().notNull(),
    requestId: text("request_id").notNull(),
    team: text(),
    /** noun.verb, for example route.put. */
    action: text().notNull(),
    object: text().notNull(),
    before: jsonb(),
    after: jsonb(),
  },
  (t) => [index("audit_events_team").on(t.team, t.id)],
);
