import { and, asc, eq, inArray, ne, notExists, notInArray, or, sql } from "drizzle-orm";
import { criteriaKey } from "@helloway/routing/criteria";
import type { Tx } from "../db/database.ts";
import { names, routeNames, routes } from "../db/schema/routes.ts";
import { teams } from "../db/schema/teams.ts";
import { sha256 } from "./sha256.ts";
import type { MatchSpec } from "./specs.ts";

// Two constraints make conflicts impossible, whoever writes at the same moment: one team holds a hostname in a pool (names), and one
// route holds it with the same criteria (route_names). Rows are written in the order of the hostnames, so that two writers who want
// the same ones wait for each other instead of both waiting.

/** An index entry has at most some 2,700 bytes, the hostname included. */
const criteriaKeyLengthMax = 1000;

interface Holder {
  poolId: string;
  teamId: string;
  routeId: string;
  /** Of storedCriteriaKey. */
  criteriaKey: string;
}

/** The canonical text of the criteria, "" for none; of a long one the hash, which cannot be taken for a text. */
export function storedCriteriaKey(match: MatchSpec | undefined): string {
  const key = criteriaKey(match ?? null);
  if (key.length <= criteriaKeyLengthMax) return key;
  return `sha256:${Buffer.from(sha256(Buffer.from(key))).toString("hex")}`;
}

/** A hostname that is held already. */
export interface NameConflict {
  hostname: string;
  team: { id: string; name: string };
  /** The one with the same criteria; null: the team holds the name, but none of its routes has these criteria. */
  route: string | null;
}

/** Holds the hostnames with the criteria for the route. What others hold stays theirs and is returned: then the transaction must not commit. */
export async function holdNames(tx: Tx, holder: Holder, hostnames: readonly string[]): Promise<NameConflict[]> {
  const { poolId, teamId, routeId, criteriaKey: key } = holder;
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
      .values(ours.map((hostname) => ({ poolId, hostname, criteriaKey: key, teamId, routeId })))
      .onConflictDoNothing();
  }
  const mine = await tx
    .select({ hostname: routeNames.hostname })
    .from(routeNames)
    .where(
      and(
        eq(routeNames.routeId, routeId),
        eq(routeNames.poolId, poolId),
        eq(routeNames.criteriaKey, key),
        inArray(routeNames.hostname, sorted),
      ),
    );
  const got = new Set(mine.map((row) => row.hostname));
  return await readHolders(
    tx,
    holder,
    sorted.filter((hostname) => !got.has(hostname)),
  );
}

/** Gives up what the route holds in the pool; null: all of it. Only what it goes on holding with the same criteria is kept. */
export async function releaseNames(
  tx: Tx,
  { poolId, routeId }: Pick<Holder, "poolId" | "routeId">,
  keep: { hostnames: readonly string[]; criteriaKey: string } | null,
): Promise<void> {
  const released = await tx
    .delete(routeNames)
    .where(
      and(
        eq(routeNames.routeId, routeId),
        eq(routeNames.poolId, poolId),
        keep === null
          ? undefined
          : or(notInArray(routeNames.hostname, [...keep.hostnames]), ne(routeNames.criteriaKey, keep.criteriaKey)),
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

async function readHolders(
  tx: Tx,
  { poolId, criteriaKey: key }: Holder,
  hostnames: readonly string[],
): Promise<NameConflict[]> {
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
        eq(routeNames.criteriaKey, key),
      ),
    )
    .leftJoin(routes, eq(routes.id, routeNames.routeId))
    .where(and(eq(names.poolId, poolId), inArray(names.hostname, [...hostnames])))
    .orderBy(asc(names.hostname));
  return rows.map(({ hostname, teamId, team, route }) => ({ hostname, team: { id: teamId, name: team }, route }));
}
