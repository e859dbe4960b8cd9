import { and, asc, eq, inArray, notExists, notInArray, sql } from "drizzle-orm";
import type { Tx } from "../db/database.ts";
import { names, routeNames, routes } from "../db/schema/routes.ts";
import { teams } from "../db/schema/teams.ts";

// Two constraints make conflicts impossible, whoever writes at the same moment: one team holds a hostname in a pool (names), and one
// route holds it with the same criteria (route_names). Rows are written in the order of the hostnames, so that two writers who want
// the same ones wait for each other instead of both waiting.

/** No route has criteria yet. */
const noCriteria = "";

interface Holder {
  poolId: string;
  teamId: string;
  routeId: string;
}

/** A hostname that is held already. */
export interface NameConflict {
  hostname: string;
  team: { id: string; name: string };
  /** null: the team holds the name, but the route is gone meanwhile. */
  route: string | null;
}

/** Holds the hostnames for the route. What others hold stays theirs and is returned: then the transaction must not commit. */
export async function holdNames(tx: Tx, holder: Holder, hostnames: readonly string[]): Promise<NameConflict[]> {
  const { poolId, teamId, routeId } = holder;
  const sorted = [...new Set(hostnames)].toSorted();
  if (sorted.length === 0) return [];
  await tx
    .insert(names)
    .values(sorted.map((hostname) => ({ poolId, hostname, teamId })))
    .onConflictDoNothing();
  const held = await tx
    .select({ hostname: names.hostname })
    .from(names)
    .where(and(eq(names.poolId, poolId), inArray(names.hostname, sorted), eq(names.teamId, teamId)));
  const ours = held.map((row) => row.hostname).toSorted();
  if (ours.length > 0) {
    await tx
      .insert(routeNames)
      .values(ours.map((hostname) => ({ poolId, hostname, criteriaKey: noCriteria, teamId, routeId })))
      .onConflictDoNothing();
  }
  const mine = await tx
    .select({ hostname: routeNames.hostname })
    .from(routeNames)
    .where(and(eq(routeNames.routeId, routeId), eq(routeNames.poolId, poolId), inArray(routeNames.hostname, sorted)));
  const got = new Set(mine.map((row) => row.hostname));
  return await readHolders(
    tx,
    poolId,
    sorted.filter((hostname) => !got.has(hostname)),
  );
}

/** Gives up what the route holds in the pool, but for the hostnames it keeps. */
export async function releaseNames(
  tx: Tx,
  { poolId, routeId }: Omit<Holder, "teamId">,
  keep: readonly string[],
): Promise<void> {
  const released = await tx
    .delete(routeNames)
    .where(
      and(
        eq(routeNames.routeId, routeId),
        eq(routeNames.poolId, poolId),
        keep.length === 0 ? undefined : notInArray(routeNames.hostname, [...keep]),
      ),
    )
    .returning({ hostname: routeNames.hostname });
  if (released.length === 0) return;
  const hostnames = released.map((row) => row.hostname);
  const held = tx
    .select({ one: sql`1` })
    .from(routeNames)
    .where(and(eq(routeNames.poolId, names.poolId), eq(routeNames.hostname, names.hostname)));
  await tx.delete(names).where(and(eq(names.poolId, poolId), inArray(names.hostname, hostnames), notExists(held)));
}

async function readHolders(tx: Tx, poolId: string, hostnames: readonly string[]): Promise<NameConflict[]> {
  if (hostnames.length === 0) return [];
  const rows = await tx
    .select({ hostname: names.hostname, teamId: teams.id, team: teams.name, route: routes.name })
    .from(names)
    .innerJoin(teams, eq(teams.id, names.teamId))
    .leftJoin(
      routeNames,
      and(
        eq(routeNames.poolId, names.poolId),
        eq(routeNames.hostname, names.hostname),
        eq(routeNames.criteriaKey, noCriteria),
      ),
    )
    .leftJoin(routes, eq(routes.id, routeNames.routeId))
    .where(and(eq(names.poolId, poolId), inArray(names.hostname, [...hostnames])))
    .orderBy(asc(names.hostname));
  return rows.map(({ hostname, teamId, team, route }) => ({ hostname, team: { id: teamId, name: team }, route }));
}
