import type { RouteBodySpec, RouteSpec } from "./specs.ts";

/** What an edge must announce to serve a route that uses it; an older edge would leave it out without a word. */
export type RouteFeature = "access" | "balance" | "limits" | "match" | "proxyProtocol";

/** The features that the route uses, sorted. */
export function routeFeatures(spec: RouteBodySpec & Pick<RouteSpec, "match">): RouteFeature[] {
  const used: Record<RouteFeature, boolean> = {
    access: spec.access !== undefined,
    balance: spec.balance !== undefined,
    limits: spec.limits !== undefined,
    match: spec.match !== undefined,
    proxyProtocol: spec.proxyProtocol !== undefined,
  };
  return (Object.keys(used) as RouteFeature[]).filter((feature) => used[feature]).toSorted();
}

/** Whether the route asks where a client is, which needs a country database on the edge. */
export function usesCountries({ match, access }: Pick<RouteSpec, "match" | "access">): boolean {
  const lists = [match?.countries, access?.allowCountries, access?.denyCountries];
  return lists.some((list) => list !== undefined && list.length > 0);
}
