// Which route serves a complete hello, or why none does: the whole decision, without a socket. The relay decides by it, the control
// plane explains by it, and other engines are held against it.
//
// In order: the name (none, unmatchable, unknown, barred or held), then the criteria of the routes that hold it, then the access
// of the one route. A default serves only where nobody's name is concerned: never a barrier, an unmatchable name, a name whose
// routes all fail, or a hello that offers acme-tls/1.
import { checkAccess, type CompiledAccess } from "./access.ts";
import type { HelloFacts } from "./hello-facts.ts";
import { type MatchableRoute, matchRoute } from "./match-routes.ts";
import { canonicalName } from "./name.ts";
import type { NameTable, RouteNames } from "./name-table.ts";

export interface DecidableRoute extends RouteNames, MatchableRoute {
  /** null: everybody. */
  readonly access: CompiledAccess | null;
}

export interface DecisionTable<R extends DecidableRoute> {
  readonly names: Pick<NameTable<R>, "lookup">;
  /** For a hello without a name, and for a name that nobody registered; null: refuse. Their criteria are not looked at. */
  readonly settings: { readonly noSni: R | null; readonly unmatched: R | null };
}

export type Decision<R> =
  | { kind: "route"; route: R }
  | {
      kind: "refused";
      reason: "no_sni" | "no_route" | "no_match" | "tls_version" | "denied";
      /** With no_match: another ALPN offer would have matched. */
      alpnOnly?: boolean;
      /** With tls_version and denied: the route whose access refuses. */
      route?: R;
    };

const noSni = { kind: "refused", reason: "no_sni" } as const;
const noRoute = { kind: "refused", reason: "no_route" } as const;
const noMatch = { kind: "refused", reason: "no_match", alpnOnly: false } as const;
const noMatchByAlpn = { kind: "refused", reason: "no_match", alpnOnly: true } as const;

export function decide<R extends DecidableRoute>(table: DecisionTable<R>, facts: HelloFacts): Decision<R> {
  const { serverName } = facts;
  // An empty host_name counts as none.
  if (serverName === null || serverName.length === 0) return byDefault(table.settings.noSni, facts, noSni);
  const name = canonicalName(serverName);
  if (name === null) return noRoute;
  const found = table.names.lookup(name);
  if (found.kind === "none") return byDefault(table.settings.unmatched, facts, noRoute);
  if (found.kind === "barrier") return noRoute;
  const only = found.routes[0]!;
  if (found.routes.length === 1 && only.criteria === null) return admit(only, facts);
  const match = matchRoute(found.routes, facts);
  if (match.kind === "match") return admit(match.route, facts);
  return match.alpnOnly ? noMatchByAlpn : noMatch;
}

function admit<R extends DecidableRoute>(route: R, facts: HelloFacts): Decision<R> {
  const verdict = route.access === null ? "admitted" : checkAccess(route.access, facts);
  return verdict === "admitted" ? { kind: "route", route } : { kind: "refused", reason: verdict, route };
}

function byDefault<R extends DecidableRoute>(route: R | null, facts: HelloFacts, otherwise: Decision<R>): Decision<R> {
  return route === null || facts.alpn.indexOf(ACME_TLS) !== -1 ? otherwise : admit(route, facts);
}

/** RFC 8737: answering for a name that nobody registered would let its certificate be issued. */
const ACME_TLS = "acme-tls/1";
