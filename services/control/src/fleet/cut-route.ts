import { setTimeout as sleep } from "node:timers/promises";
import { and, asc, eq, isNull } from "drizzle-orm";
import { edges } from "../db/schema/edges.ts";
import { routes } from "../db/schema/routes.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import { writeAudit } from "./audit.ts";
import { requireTeam } from "./authorise.ts";
import type { Context } from "./context.ts";
import { type EdgeRequestOutcome, readRequestOutcomes, requestOfEdges } from "./edge-requests.ts";
import { isConnected } from "./edge-state.ts";

/** Of an agent that can be asked to cut. */
const cutFeature = "cut";

/** Who was asked to cut, as JSON can hold it. */
export interface RouteCut {
  edges: {
    edge: string;
    asked: { yes: true; request: string } | { yes: false; because: "unsupported" | "unreachable" };
  }[];
}

export interface RouteCutStatus {
  /** Cut by those edges that have answered. */
  connections: number;
  edges: EdgeCut[];
}

export interface EdgeCut {
  edge: string;
  /**
   * done; pending: not answered yet; failed, with the error: refused, or not answered in its time; unsupported: an agent that cannot;
   * unreachable: no session, so the edge was not asked.
   */
  state: "done" | "pending" | "failed" | "unsupported" | "unreachable";
  /** Cut there, when done. */
  connections?: number;
  error?: string;
}

/** Between two looks for answers; edges mostly answer within the first. */
const lookAgainMs = { first: 50, max: 500 } as const;

/**
 * Asks every connected edge of the route's pool to end the established connections of the route. Editors and owners of the team. What
 * comes of it is awaitCut's to tell, after the commit.
 */
export async function cutRoute(ctx: Context, input: { team: string; name: string }): Promise<RouteCut> {
  return await inTransaction(ctx.db, async (tx) => {
    const team = await requireTeam({ ...ctx, db: tx }, input.team, "editor");
    const [route] = await tx
      .select({ id: routes.id, poolId: routes.poolId })
      .from(routes)
      .where(and(eq(routes.teamId, team.id), eq(routes.name, input.name)));
    if (route === undefined) {
      throw new HellowayError("not_found", "route_not_found", `Team "${team.name}" has no route "${input.name}".`);
    }
    const members = await tx
      .select()
      .from(edges)
      .where(and(eq(edges.poolId, route.poolId), isNull(edges.revokedAt)))
      .orderBy(asc(edges.name));
    const now = ctx.now();
    const able = members.filter((edge) => isConnected(edge, now) && edge.features.includes(cutFeature));
    const requests = await requestOfEdges(tx, {
      edgeIds: able.map(({ id }) => id),
      action: { kind: "cut", routeUid: route.id },
      now,
    });
    await writeAudit(tx, ctx, {
      action: "route.cut",
      object: `teams/${team.name}/routes/${input.name}`,
      team: team.name,
      after: { edges: able.map(({ name }) => name) },
    });
    return {
      edges: members.map((edge) => {
        const request = requests.get(edge.id);
        if (request !== undefined) return { edge: edge.name, asked: { yes: true, request } };
        return {
          edge: edge.name,
          asked: { yes: false, because: isConnected(edge, now) ? "unsupported" : "unreachable" },
        };
      }),
    };
  });
}

/** What has come of a cut: as soon as every edge that was asked has answered, else when waitMs are over or the signal aborts. */
export async function awaitCut(
  ctx: Context,
  { cut, waitMs, signal }: { cut: RouteCut; waitMs: number; signal: AbortSignal },
): Promise<RouteCutStatus> {
  const ids = cut.edges.flatMap(({ asked }) => (asked.yes ? [asked.request] : []));
  const until = performance.now() + waitMs;
  for (let lookMs: number = lookAgainMs.first; ; lookMs = Math.min(2 * lookMs, lookAgainMs.max)) {
    const outcomes = await readRequestOutcomes(ctx.db, { ids, now: ctx.now() });
    const status = statusOf(cut, outcomes);
    const leftMs = until - performance.now();
    if (leftMs <= 0 || signal.aborted || status.edges.every(({ state }) => state !== "pending")) return status;
    await sleep(Math.min(lookMs, leftMs), undefined, { signal }).catch(() => undefined);
  }
}

function statusOf(cut: RouteCut, outcomes: ReadonlyMap<string, EdgeRequestOutcome>): RouteCutStatus {
  const told = cut.edges.map(({ edge, asked }): EdgeCut => {
    if (!asked.yes) return { edge, state: asked.because };
    const outcome = outcomes.get(asked.request);
    if (outcome === undefined) return { edge, state: "failed", error: "The edge was deleted, or its answer is gone." };
    if (outcome.state === "open") return { edge, state: "pending" };
    if (outcome.state === "expired") {
      return { edge, state: "failed", error: "The edge did not answer in time, and is asked no more." };
    }
    const { result } = outcome;
    return "error" in result
      ? { edge, state: "failed", error: result.error }
      : { edge, state: "done", connections: result.connections };
  });
  return { connections: told.reduce((sum, { connections = 0 }) => sum + connections, 0), edges: told };
}
