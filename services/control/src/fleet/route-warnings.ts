// What is stored as asked and will still surprise: said with the write, with its dry run, and to whoever reads it, since what others
// write may bring it about later. A warning never stops a write, because what is missing may come: another route of the hostname, a
// newer edge, a country database.
import { and, asc, eq, inArray, isNotNull, isNull } from "drizzle-orm";
import type { Db } from "../db/database.ts";
import { edges } from "../db/schema/edges.ts";
import { routeNames, routes } from "../db/schema/routes.ts";
import { routeFeatures, usesCountries } from "./route-features.ts";
import type { PoolSpec, RouteBodySpec, RouteSpec } from "./specs.ts";

export interface RouteWarning {
  /** snake_case, stable. */
  code: "acme_tls_unreachable" | "edge_lacks_feature" | "edge_lacks_geo_database";
  detail: string;
  /** JSON pointer into the body that was written. */
  pointer: string;
}

/** The protocol by which a certificate authority validates a name over TLS (RFC 8737). */
const acmeProtocol = "acme-tls/1";
/** What an edge announces that has a country database. */
const geoFeature = "geo";
/** A fleet may have hundreds; the number says the rest. */
const edgesNamedMax = 5;

/** Of a route as it is now stored: in the transaction of a write, what has just been written. */
export async function routeWarnings(db: Db, route: { poolId: string; spec: RouteSpec }): Promise<RouteWarning[]> {
  return [...(await acmeWarnings(db, route)), ...(await edgeWarnings(db, route, "/spec"))];
}

/** Of the defaults of a pool, likewise. */
export async function poolWarnings(db: Db, pool: { id: string; spec: PoolSpec }): Promise<RouteWarning[]> {
  const warnings: RouteWarning[] = [];
  for (const key of ["noSni", "unmatched"] as const) {
    const spec = pool.spec[key];
    if (spec !== null) warnings.push(...(await edgeWarnings(db, { poolId: pool.id, spec }, `/spec/${key}`)));
  }
  return warnings;
}

/** One team holds a hostname in a pool, so all its routes there are the team's. */
async function acmeWarnings(db: Db, { poolId, spec }: { poolId: string; spec: RouteSpec }): Promise<RouteWarning[]> {
  if (!refusesAcme(spec)) return [];
  const rows = await db
    .select({ hostname: routeNames.hostname, spec: routes.spec })
    .from(routeNames)
    .innerJoin(routes, eq(routes.id, routeNames.routeId))
    .where(and(eq(routeNames.poolId, poolId), inArray(routeNames.hostname, spec.hostnames)));
  const reachable = new Set(rows.filter((row) => !refusesAcme(row.spec)).map((row) => row.hostname));
  return spec.hostnames.flatMap((hostname, i) => {
    if (reachable.has(hostname)) return [];
    const detail = `Every route of ${hostname} asks for other protocols than ${acmeProtocol}, so no certificate can be had for it by that challenge. List ${acmeProtocol} in one of them, or add a route without an ALPN criterion.`;
    return [{ code: "acme_tls_unreachable" as const, detail, pointer: `/spec/hostnames/${i}` }];
  });
}

function refusesAcme({ match }: RouteSpec): boolean {
  return match !== undefined && match.alpn.length > 0 && !match.alpn.includes(acmeProtocol);
}

/** @param at where the body with these fields is, as a JSON pointer. */
async function edgeWarnings(
  db: Db,
  { poolId, spec }: { poolId: string; spec: RouteBodySpec & Pick<RouteSpec, "match"> },
  at: string,
): Promise<RouteWarning[]> {
  const features = routeFeatures(spec);
  if (features.length === 0) return [];
  // An edge that never connected has not said what it can.
  const known = await db
    .select({ name: edges.name, features: edges.features })
    .from(edges)
    .where(and(eq(edges.poolId, poolId), isNull(edges.revokedAt), isNotNull(edges.seenAt)))
    .orderBy(asc(edges.name));
  const without = (feature: string) => known.filter((edge) => !edge.features.includes(feature)).map(({ name }) => name);

  const warnings: RouteWarning[] = [];
  for (const feature of features) {
    const lacking = without(feature);
    if (lacking.length === 0) continue;
    const detail = `Edges that do not know "${feature}" refuse the route until they are upgraded: ${list(lacking)}.`;
    warnings.push({ code: "edge_lacks_feature", detail, pointer: `${at}/${feature}` });
  }
  const lacking = usesCountries(spec) ? without(geoFeature) : [];
  if (lacking.length > 0) {
    const detail = `Edges without a country database refuse the route until they have one (HELLOWAY_GEO_DATABASE): ${list(lacking)}.`;
    warnings.push({ code: "edge_lacks_geo_database", detail, pointer: `${at}/${countriesField(spec)}` });
  }
  return warnings;
}

function countriesField({ match, access }: Pick<RouteSpec, "match" | "access">): string {
  if (match !== undefined && match.countries.length > 0) return "match/countries";
  return `access/${access !== undefined && access.allowCountries.length > 0 ? "allow" : "deny"}Countries`;
}

function list(names: readonly string[]): string {
  const more = names.length - edgesNamedMax;
  return names.slice(0, edgesNamedMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
