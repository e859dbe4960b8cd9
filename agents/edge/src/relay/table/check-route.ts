// Whether the engine can serve a route as offered. The control plane has checked it too; the edge trusts nothing it was sent.
import { fromBinary } from "@bufbuild/protobuf";
import { type Backend, OnReject, type Route, RouteSchema, WildcardDepth } from "@helloway/proto/table";
import { parseAddress } from "@helloway/routing/address";
import type { AddressPolicy } from "@helloway/routing/address-policy";
import { parseHostname } from "@helloway/routing/name";
import { relayFeatures } from "../features.ts";
import type { RouteTimeouts, ServedBackend, ServedRoute, Tier } from "./served-route.ts";

export interface Refusal {
  /** snake_case, stable. */
  code: string;
  detail: string;
}

/** What an earlier version of a refused route may still serve; the rest of the newest version is not looked at. */
export interface KeepTerms {
  hostnames: readonly string[];
  wildcardDepth: "any" | "one";
}

export type RouteCheck =
  | { kind: "served"; route: ServedRoute }
  /** keep null: no earlier version may be served instead. */
  | { kind: "refused"; refusal: Refusal; keep: KeepTerms | null };

const WEIGHT_MAX = 1000;
const PRIORITY_MAX = 100;
const PORT_MAX = 65_535;

/** @param id the object's id, which must be the route's uid. */
export function checkRoute(body: Uint8Array, id: string, policy: AddressPolicy): RouteCheck {
  let route: Route;
  try {
    route = fromBinary(RouteSchema, body);
  } catch (error) {
    return { kind: "refused", refusal: { code: "unreadable", detail: String(error) }, keep: null };
  }
  // A feature that is unknown here may restrict who is served: an earlier version without it must not be served either.
  const unservable = routeUnservable(route, id);
  if (unservable) return { kind: "refused", refusal: unservable, keep: null };
  const wildcardDepth: "any" | "one" = route.wildcardDepth === WildcardDepth.ONE ? "one" : "any";
  const hostnames = [...new Set(route.hostnames)];
  const refusal = hostnamesProblem(hostnames) ?? bodyProblem(route, policy);
  if (refusal) {
    return { kind: "refused", refusal, keep: route.onReject === OnReject.DROP ? null : { hostnames, wildcardDepth } };
  }
  return { kind: "served", route: servedRoute(route, hostnames, wildcardDepth) };
}

/** A default of the pool: a route without hostnames. */
export function checkDefaultRoute(route: Route, uid: string, policy: AddressPolicy): RouteCheck {
  const refusal =
    routeUnservable(route, uid) ??
    (route.hostnames.length > 0 ? { code: "bad_hostname", detail: "A default has no hostnames." } : null) ??
    bodyProblem(route, policy);
  if (refusal) return { kind: "refused", refusal, keep: null };
  return { kind: "served", route: servedRoute(route, [], "any") };
}

/** The feature that this engine lacks, or null. */
export function missingFeature(requires: readonly string[]): Refusal | null {
  const missing = requires.filter((feature) => !relayFeatures.includes(feature));
  if (missing.length === 0) return null;
  return { code: "unsupported_feature", detail: `This edge lacks ${missing.join(", ")}.` };
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
    const parsed = parseHostname(hostname);
    if (!parsed.ok) return { code: "bad_hostname", detail: `${JSON.stringify(hostname)}: ${parsed.detail}` };
    if (parsed.hostname !== hostname)
      return { code: "bad_hostname", detail: `${JSON.stringify(hostname)} is not canonical.` };
  }
  return null;
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

function timeoutsProblem(route: Route): Refusal | null {
  const timeouts = route.timeouts;
  if (!timeouts) return { code: "bad_timeouts", detail: "The route has no timeouts." };
  const { connectMs, idleMs, halfClosedMs, writeStallMs, maxDurationMs } = timeouts;
  const values = { connectMs, idleMs, halfClosedMs, writeStallMs, maxDurationMs };
  for (const [name, value] of Object.entries(values)) {
    if (value === 0) return { code: "bad_timeouts", detail: `${name} is 0.` };
  }
  return null;
}

function backendKey(backend: Backend): string {
  return backend.host.includes(":") ? `[${backend.host}]:${backend.port}` : `${backend.host}:${backend.port}`;
}

function servedRoute(route: Route, hostnames: readonly string[], wildcardDepth: "any" | "one"): ServedRoute {
  const timeouts = route.timeouts!;
  return {
    uid: route.uid,
    team: route.team,
    label: route.uid.startsWith("@") ? route.uid : `${route.team}/${route.name}`,
    hostnames,
    wildcardDepth,
    tiers: tiersOf(route.backends),
    timeouts: toRouteTimeouts(timeouts),
  };
}

function toRouteTimeouts(timeouts: NonNullable<Route["timeouts"]>): RouteTimeouts {
  const { connectMs, idleMs, halfClosedMs, writeStallMs, maxDurationMs } = timeouts;
  return { connectMs, idleMs, halfClosedMs, writeStallMs, maxDurationMs: maxDurationMs ?? null };
}

function tiersOf(backends: readonly Backend[]): Tier[] {
  const tiers = new Map<number, ServedBackend[]>();
  for (const backend of backends) {
    const { host, port, weight, priority } = backend;
    const served = { key: backendKey(backend), host, port, address: parseAddress(host), weight, credit: 0 };
    const tier = tiers.get(priority);
    if (tier) tier.push(served);
    else tiers.set(priority, [served]);
  }
  return [...tiers].sort(([a], [b]) => a - b).map(([, each]) => ({ backends: each }));
}
