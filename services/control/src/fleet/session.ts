// Sessions of edges. Opening one raises the edge's session number; every write that a session makes afterwards asks for that
// number, so that a stream which is already replaced by a newer one, perhaps at another replica, writes nothing more.
import { and, eq, sql } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { type ReportedSocket, edges } from "../db/schema/edges.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { type AuthorisedEdge, type EdgeAuthorisation, authoriseEdges } from "./authorise-edge.ts";
import { systemPrincipal } from "./context.ts";
import { syncSettings } from "./settings.ts";
import { readHeads } from "./table-reads.ts";
import type { TableHead } from "./table-version.ts";

/** What an edge says of itself, checked and bounded. */
export interface EdgeDescription {
  agentVersion: string;
  features: string[];
  listeners: ReportedSocket[];
  admin: ReportedSocket | null;
  /** Public ones only. */
  addresses: string[];
}

export interface Session {
  /** The fencing number. */
  number: number;
  /** Where the edge's pool is at this moment. */
  head: TableHead;
}

/** A session that goes on, and by what it was let in. */
export interface OpenSession {
  serial: string;
  /** null: it has not said Hello yet. */
  session: { edgeId: string; number: number } | null;
}

export type SessionVerdict =
  | { goesOn: true }
  | {
      goesOn: false;
      code:
        | Extract<EdgeAuthorisation, { authorised: false }>["code"]
        | "superseded"
        /** The database has gone back to before it began: nothing that the session says would be written. */
        | "unknown_session";
    };

/** Begins a session and stores what the edge says. New sockets or addresses change what backends of every pool may be. */
export async function openSession(
  db: Db,
  { edge, description, now }: { edge: AuthorisedEdge; description: EdgeDescription; now: Date },
): Promise<Session> {
  return await inTransaction(db, async (tx) => {
    const [before] = await tx
      .select({ listeners: edges.listeners, admin: edges.admin, addresses: edges.addresses })
      .from(edges)
      .where(eq(edges.id, edge.edgeId))
      .for("update");
    const [opened] = await tx
      .update(edges)
      .set({ ...description, session: sql`${edges.session} + 1`, seenAt: now, disconnectedAt: null })
      .where(eq(edges.id, edge.edgeId))
      .returning({ number: edges.session });
    if (before === undefined || opened === undefined) throw gone(edge);
    const { listeners, admin, addresses } = description;
    if (!isSame(before, { listeners, admin, addresses })) {
      await syncSettings(tx, { principal: systemPrincipal(`edge ${edge.name}`) }, "edge.report");
    }
    const head = (await readHeads(tx, [edge.poolId])).get(edge.poolId);
    if (head === undefined) throw gone(edge);
    return { number: opened.number, head };
  });
}

/**
 * Whether each of these sessions may go on, in their order; those that may are marked as seen. A session of which the edge has
 * opened a newer one may not.
 */
export async function reviewSessions(
  db: Db,
  { sessions, now }: { sessions: readonly OpenSession[]; now: Date },
): Promise<SessionVerdict[]> {
  if (sessions.length === 0) return [];
  const answers = await authoriseEdges(db, { serials: [...new Set(sessions.map(({ serial }) => serial))], now });
  const seen: { id: string; session: number }[] = [];
  const verdicts = sessions.map(({ serial, session }): SessionVerdict => {
    const answer = answers.get(serial);
    if (answer === undefined) return { goesOn: false, code: "unknown_certificate" };
    if (!answer.authorised) return { goesOn: false, code: answer.code };
    if (session === null) return { goesOn: true };
    if (session.number < answer.edge.session) return { goesOn: false, code: "superseded" };
    if (session.number > answer.edge.session) return { goesOn: false, code: "unknown_session" };
    seen.push({ id: session.edgeId, session: session.number });
    return { goesOn: true };
  });
  if (seen.length > 0) {
    await inTransaction(db, (tx) =>
      tx.execute(sql`
        with locked as (
          select edges.id
          from edges join json_to_recordset(${JSON.stringify(seen)}::json) as open(id uuid, session bigint)
            on edges.id = open.id and edges.session = open.session
          -- One order for all, so that two replicas never wait for each other.
          order by edges.id for no key update of edges
        )
        update edges set seen_at = ${now.toISOString()}::timestamptz from locked where edges.id = locked.id`),
    );
  }
  return verdicts;
}

/** The stream has ended; nothing happens when a newer session is open. */
export async function closeSession(
  db: Db,
  { edgeId, number, now }: { edgeId: string; number: number; now: Date },
): Promise<void> {
  await inTransaction(db, (tx) =>
    tx
      .update(edges)
      .set({ disconnectedAt: now })
      .where(and(eq(edges.id, edgeId), eq(edges.session, number))),
  );
}

function gone(edge: AuthorisedEdge): HellowayError {
  return new HellowayError("unauthenticated", "edge_revoked", `The edge "${edge.name}" was deleted.`);
}

type Reported = Pick<EdgeDescription, "listeners" | "admin" | "addresses">;

/** Field by field: jsonb gives keys back in an order of its own. */
function isSame(a: Reported, b: Reported): boolean {
  return canonical(a) === canonical(b);
}

function canonical({ listeners, admin, addresses }: Reported): string {
  const socket = ({ address, port }: ReportedSocket): string => `${address} ${port}`;
  return JSON.stringify([listeners.map(socket), admin === null ? null : socket(admin), addresses]);
}
