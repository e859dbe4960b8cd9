// Which of the routes that hold the deciding hostname serves a client. All criteria of a route must hold. Of those that hold, the
// most particular route serves, compared by these in turn:
//   1. it has an ALPN criterion,
//   2. its longest source prefix that contains the client; no source criterion comes last,
//   3. it has countries,
//   4. the earliest of the client's offers that it lists,
//   5. the lower uid.
//
// When none holds nothing further out is tried. That another ALPN offer would have matched is told apart, because the client
// can do something about it.
import { type CompiledCriteria, CriteriaClient } from "./compiled-criteria.ts";
import type { HelloFacts } from "./hello-facts.ts";

export interface MatchableRoute {
  readonly uid: string;
  /** null: every client. */
  readonly criteria: CompiledCriteria | null;
}

export type RouteMatch<R> =
  | { kind: "match"; route: R }
  | {
      kind: "no_match";
      /** Of some route everything but the ALPN criterion held. */
      alpnOnly: boolean;
    };

/** How particular a match is; compared field by field. */
interface Rank {
  hasAlpn: boolean;
  /** -1: no source criterion. */
  prefixLength: number;
  hasCountries: boolean;
  /** 0 without an ALPN criterion. */
  offer: number;
}

/** @param routes not empty, in any order. */
export function matchRoute<R extends MatchableRoute>(routes: readonly R[], facts: HelloFacts): RouteMatch<R> {
  const client = new CriteriaClient(facts);
  let best: R | null = null;
  let bestRank = everyone;
  let alpnOnly = false;
  for (const route of routes) {
    const rank = rankOf(route.criteria, client);
    if (rank === "alpn") alpnOnly = true;
    if (typeof rank === "string") continue;
    const order = best === null ? -1 : compareRanks(rank, bestRank);
    if (order > 0 || (order === 0 && best !== null && best.uid < route.uid)) continue;
    best = route;
    bestRank = rank;
  }
  return best === null ? { kind: "no_match", alpnOnly } : { kind: "match", route: best };
}

const everyone: Rank = { hasAlpn: false, prefixLength: -1, hasCountries: false, offer: 0 };

/** "alpn": nothing but the ALPN criterion failed. "no": something else did. */
function rankOf(criteria: CompiledCriteria | null, client: CriteriaClient): Rank | "alpn" | "no" {
  if (criteria === null) return everyone;
  const { alpn, sources, countries } = criteria;
  const prefixLength = sources === null ? -1 : client.longestPrefix(sources);
  if (sources !== null && prefixLength === -1) return "no";
  if (countries !== null && !client.isIn(countries)) return "no";
  const offer = alpn === null ? 0 : client.firstOffer(alpn);
  if (offer === -1) return "alpn";
  return { hasAlpn: alpn !== null, prefixLength, hasCountries: countries !== null, offer };
}

/** Negative: a comes first. */
function compareRanks(a: Rank, b: Rank): number {
  return (
    Number(b.hasAlpn) - Number(a.hasAlpn) ||
    b.prefixLength - a.prefixLength ||
    Number(b.hasCountries) - Number(a.hasCountries) ||
    a.offer - b.offer
  );
}
