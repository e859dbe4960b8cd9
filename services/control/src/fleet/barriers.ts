// Barriers: names of one team that another team's wildcard must not serve. In a pool, a verified domain has a barrier when a wildcard of
// another team lies above it, unless the innermost verified tree around it is the same team's: that tree's own barrier then stops the
// other team's wildcard, while the team's own wildcards in between go on serving.
import { and, eq, inArray } from "drizzle-orm";
import type { Tx } from "../db/database.ts";
import { names } from "../db/schema/routes.ts";
import { domains } from "../db/schema/teams.ts";
import { actorOf, type AuditContext } from "./audit.ts";
import { encodeBarrier, objectKinds, removalCauses } from "./encode-object.ts";
import { type DomainRow, domainsWithin, selfAndAncestors } from "./ownership.ts";
import { commitRevision, effectiveChanges, lockPools, type TableChange } from "./revisions.ts";

/** Ids of one statement. */
const idsMax = 10_000;

/**
 * What must change among a pool's barriers, after wildcards or domains at or above these names changed. The pool and the ownership
 * must be locked, and the change be written.
 * @param gone ids of domains that are no more.
 */
export async function barrierChanges(
  tx: Tx,
  poolId: string,
  { within, gone = [] }: { within: readonly string[]; gone?: readonly string[] },
): Promise<TableChange[]> {
  if (within.length === 0) return [];
  const affected = await domainsWithin(tx, within);
  const needed = await needBarrier(tx, poolId, affected);
  const changes: TableChange[] = [];
  for (const { id, name, scope } of affected) {
    if (!needed.has(id)) changes.push({ kind: objectKinds.barrier, id, remove: removalCauses.consequence });
    else changes.push({ kind: objectKinds.barrier, id, body: encodeBarrier({ name, tree: scope === "tree" }) });
  }
  for (const id of gone) changes.push({ kind: objectKinds.barrier, id, remove: removalCauses.consequence });
  return await effectiveChanges(tx, poolId, changes);
}

/** Brings the barriers of every pool up to date after a domain was verified or deleted. Locks pools: call it last. */
export async function syncBarriers(
  tx: Tx,
  ctx: Pick<AuditContext, "principal">,
  { domain, cause }: { domain: DomainRow; cause: string },
): Promise<void> {
  const poolIds = await poolsConcerned(tx, domain);
  await lockPools(tx, poolIds);
  const remains = await tx
    .select({ id: domains.id })
    .from(domains)
    .where(and(eq(domains.id, domain.id), eq(domains.state, "verified")));
  const gone = remains.length === 0 ? [domain.id] : [];
  for (const poolId of poolIds) {
    const changes = await barrierChanges(tx, poolId, { within: [domain.name], gone });
    if (changes.length > 0) await commitRevision(tx, { poolId, author: actorOf(ctx.principal), cause, changes });
  }
}

/** Pools with a wildcard above the domain; without one it neither has nor changes a barrier there. */
async function poolsConcerned(tx: Tx, domain: DomainRow): Promise<string[]> {
  const above = selfAndAncestors(domain.name)
    .slice(1)
    .map((name) => `*.${name}`);
  if (above.length === 0) return [];
  const rows = await tx.selectDistinct({ poolId: names.poolId }).from(names).where(inArray(names.hostname, above));
  return rows.map((row) => row.poolId).toSorted();
}

/** Ids of those domains that need one in the pool. */
async function needBarrier(tx: Tx, poolId: string, candidates: readonly DomainRow[]): Promise<Set<string>> {
  const ancestors = [...new Set(candidates.flatMap((domain) => selfAndAncestors(domain.name).slice(1)))];
  const wildcardTeams = new Map<string, string>();
  const trees = new Map<string, string>();
  for (let at = 0; at < ancestors.length; at += idsMax) {
    const some = ancestors.slice(at, at + idsMax);
    const hostnames = some.map((name) => `*.${name}`);
    const held = await tx
      .select()
      .from(names)
      .where(and(eq(names.poolId, poolId), inArray(names.hostname, hostnames)));
    for (const { hostname, teamId } of held) wildcardTeams.set(hostname, teamId);
    const around = await tx
      .select({ name: domains.name, teamId: domains.teamId })
      .from(domains)
      .where(and(eq(domains.state, "verified"), eq(domains.scope, "tree"), inArray(domains.name, some)));
    for (const { name, teamId } of around) trees.set(name, teamId);
  }
  const needed = candidates.filter((domain) => {
    const above = selfAndAncestors(domain.name).slice(1);
    const tree = above.find((name) => trees.has(name));
    if (tree !== undefined && trees.get(tree) === domain.teamId) return false;
    return above.some((name) => {
      const team = wildcardTeams.get(`*.${name}`);
      return team !== undefined && team !== domain.teamId;
    });
  });
  return new Set(needed.map((domain) => domain.id));
}
