// Whether the engine can serve a route as offered. The control plane has checked it too; the edge trusts nothing it was sent.
import { fromBinary } from "@bufbuild/protobuf";
import { type Backend, OnReject, type Route, RouteSchema, WildcardDepth } from "@helloway/proto/table";
import { parseAddress } from "@helloway/routing/address";
import type { AddressPolicy } from "@helloway/routing/address-policy";
import { parseHostname } from "@helloway/routing/name";
import type { TableObject } from "../relay.ts";
import { checkAccessOf } from "./check-access.ts";
import { checkLimits } from "./check-limits.ts";
import { checkMatch } from "./check-match.ts";
import { LazyForwarding } from "./lazy-forwarding.ts";
import { type Checked, missingFeature, type Refusal, served } from "./refusal.ts";
import { backendKey, countsLoads, forwardingProblem } from "./route-forwarding.ts";
import type { ServedRoute } from "./served-route.ts";

/** What a route is held against beside itself. */
export interface RouteGround {
  readonly policy: AddressPolicy;
  /** Whether this edge has a country database. */
  readonly geo: boolean;
}

/** Which connections a route is for: never taken from an earlier version of it. */
export type RouteTerms = Pick<
  ServedRoute,
  "team" | "hostnames" | "wildcardDepth" | "criteria" | "criteriaKey" | "access" | "limits"
>;

/** The hostnames that a route has a right to, as far as it can be read. */
export type RouteClaim = Pick<ServedRoute, "hostnames" | "wildcardDepth">;

export type RouteCheck =
  | { kind: "served"; route: ServedRoute }
  | {
      kind: "refused";
      refusal: Refusal;
      /** What an earlier version may be served under; null: no earlier version may be served. */
      keep: RouteTerms | null;
      /** null: the object cannot be read. */
      claim: RouteClaim | null;
    };

const WEIGHT_MAX = 1000;
const PRIORITY_MAX = 100;
const PORT_MAX = 65_535;

/** @param object its id must be the route's uid. */
export function checkRoute(object: Pick<TableObject, "id" | "body">, ground: RouteGround): RouteCheck {
  const { id } = object;
  let route: Route;
  try {
    route = fromBinary(RouteSchema, object.body);
  } catch (error) {
    return { kind: "refused", refusal: { code: "unreadable", detail: String(error) }, keep: null, claim: null };
  }
  const hostnames = [...new Set(route.hostnames)];
  const wildcardDepth: "any" | "one" = route.wildcardDepth === WildcardDepth.ONE ? "one" : "any";
  const claim = { hostnames: hostnames.filter((each) => hostnameProblem(each) === null), wildcardDepth };
  // A feature that is unknown here may restrict who is served: an earlier version without it must not be served either.
  const unservable = routeUnservable(route, id);
  if (unservable) return { kind: "refused", refusal: unservable, keep: null, claim };
  const terms = checkTerms(route, ground);
  if (!terms.ok) return { kind: "refused", refusal: terms.refusal, keep: null, claim };
  const refusal = hostnamesProblem(hostnames) ?? bodyProblem(route, ground.policy) ?? forwardingProblem(route);
  if (refusal) {
    const keep = route.onReject === OnReject.DROP ? null : { ...terms.value, hostnames, wildcardDepth };
    return { kind: "refused", refusal, keep, claim };
  }
  const forwarding = new LazyForwarding(object);
  const loads = countsLoads(route);
  return {
    kind: "served",
    route: { uid: id, hostnames, wildcardDepth, ...terms.value, countsLoads: loads, forwarding },
  };
}

/** A default of the pool: a route without hostnames and criteria. */
export function checkDefaultRoute(route: Route, uid: string, ground: RouteGround): RouteCheck {
  const terms = checkTerms(route, ground);
  const refusal =
    routeUnservable(route, uid) ??
    (route.hostnames.length > 0 ? { code: "bad_hostname", detail: "A default has no hostnames." } : null) ??
    (terms.ok ? null : terms.refusal) ??
    (terms.ok && terms.value.criteria !== null ? { code: "bad_match", detail: "A default has no criteria." } : null) ??
    bodyProblem(route, ground.policy) ??
    forwardingProblem(route);
  if (refusal || !terms.ok) return { kind: "refused", refusal: refusal!, keep: null, claim: null };
  const served = { uid, hostnames: [], wildcardDepth: "any" as const, ...terms.value };
  return {
    kind: "served",
    route: { ...served, countsLoads: countsLoads(route), forwarding: LazyForwarding.of(route) },
  };
}

/** What may never be taken from an earlier version: who is served. */
function checkTerms(
  route: Route,
  { geo }: RouteGround,
): Checked<Pick<ServedRoute, "team" | "criteria" | "criteriaKey" | "access" | "limits">> {
  const match = checkMatch(route.match, geo);
  if (!match.ok) return match;
  const access = checkAccessOf(route.access, geo);
  if (!access.ok) return access;
  const limits = checkLimits(route.limits);
  if (!limits.ok) return limits;
  return served({ team: route.team, ...match.value, access: access.value, limits: limits.value });
}

function routeUnservable(route: Route, id: string): Refusal | null {
  if (route.uid !== id)
    return { code: "id_mismatch", detail: `The object ${id} holds the route ${JSON.stringify(route.uid)}.` };
  const isDefault = id.startsWith("@");
  if (!isDefault && route.wildcardDepth !== WildcardDepth.ANY && route.wildcardDepth !== WildcardDepth.ONE)
    return { code: "unknown_value", detail: `wildcardDepth ${route.wildcardDepth} is unknown.` };
  if (!isDefault && route.onReject !== OnReject.KEEP && route.onReject !== OnReject.DROP)
    return { code: "unknown_value", detail: `onReject ${route.onReject} is unknown.` };
  return missingFeature(route.requires);
}

function hostnamesProblem(hostnames: readonly string[]): Refusal | null {
  if (hostnames.length === 0) return { code: "bad_hostname", detail: "The route has no hostname." };
  for (const hostname of hostnames) {
    const problem = hostnameProblem(hostname);
    if (problem) return problem;
  }
  return null;
}

function hostnameProblem(hostname: string): Refusal | null {
  const parsed = parseHostname(hostname);
  if (!parsed.ok) return { code: "bad_hostname", detail: `${JSON.stringify(hostname)}: ${parsed.detail}` };
  if (parsed.hostname === hostname) return null;
  return { code: "bad_hostname", detail: `${JSON.stringify(hostname)} is not canonical.` };
}

function bodyProblem(route: Route, policy: AddressPolicy): Refusal | null {
  if (route.backends.length === 0) return { code: "bad_backend", detail: "The route has no backend." };
  const keys = new Set<string>();
  for (const backend of route.backends) {
    const key = backendKey(backend);
    if (keys.has(key)) return { code: "bad_backend", detail: `${key} is listed twice.` };
    keys.add(key);
    const problem = backendProblem(backend, route.team, policy);
    if (problem) return problem;
  }
  return timeoutsProblem(route);
}

function backendProblem(backend: Backend, team: string, policy: AddressPolicy): Refusal | null {
  const key = backendKey(backend);
  const range = (name: string, value: number, from: number, to: number): Refusal | null =>
    value >= from && value <= to
      ? null
      : { code: "bad_backend", detail: `${key}: ${name} ${value} is not from ${from} to ${to}.` };
  const problem =
    range("port", backend.port, 1, PORT_MAX) ??
    range("weight", backend.weight, 1, WEIGHT_MAX) ??
    range("priority", backend.priority, 0, PRIORITY_MAX);
  if (problem) return problem;
  const address = parseAddress(backend.host);
  if (address === null) {
    const name = parseHostname(backend.host);
    if (name.ok && !name.wildcard && name.hostname === backend.host) return null;
    return { code: "bad_backend", detail: `${key}: the host is neither an IP address nor a canonical name.` };
  }
  if (address.text !== backend.host)
    return { code: "bad_backend", detail: `${key}: the address is not canonical: ${address.text}.` };
  const verdict = policy.check(team, address, backend.port);
  return verdict.allowed ? null : { code: "backend_not_allowed", detail: `${key}: ${verdict.detail}` };
}

function timeoutsProblem({ timeouts }: Route): Refusal | null {
  if (!timeouts) return { code: "bad_timeouts", detail: "The route has no timeouts." };
  for (const name of timeoutNames) {
    if (timeouts[name] === 0) return { code: "bad_timeouts", detail: `${name} is 0.` };
  }
  return null;
}

const timeoutNames = ["connectMs", "idleMs", "halfClosedMs", "writeStallMs", "maxDurationMs"] as const;
