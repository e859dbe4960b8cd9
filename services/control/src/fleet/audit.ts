import type { Tx } from "../db/database.ts";
import { auditEvents } from "../db/schema/audit.ts";
import type { Context, Principal } from "./context.ts";

export interface AuditEntry {
  /** noun.verb */
  action: string;
  /** Path of the object, for example "teams/payments/routes/api". */
  object: string;
  /** Name of the team whose object it is; its members may read the entry. */
  team?: string | null;
  before?: unknown;
  after?: unknown;
}

/** Who did it: of a verb its context; of an enrolment or a job only the name. */
export interface AuditContext extends Pick<Context, "requestId" | "origin" | "now"> {
  principal: Pick<Principal, "kind" | "name"> & Partial<Pick<Principal, "id">>;
}

/** Writes one line of the audit log, in the transaction that did it. Never give it a secret. */
export async function writeAudit(tx: Tx, ctx: AuditContext, entry: AuditEntry): Promise<void> {
  await tx.insert(auditEvents).values({
    at: ctx.now(),
    actor: actorOf(ctx.principal),
    origin: ctx.origin,
    requestId: ctx.requestId,
    team: entry.team ?? null,
    action: entry.action,
    object: entry.object,
    before: entry.before ?? null,
    after: entry.after ?? null,
  });
}

/** Who did it, for people: names of tokens repeat, so the id goes along. */
export function actorOf(principal: AuditContext["principal"]): string {
  return principal.kind === "system" ? `system:${principal.name}` : `token:${principal.name}:${principal.id}`;
}
