import { Balance, type Backend, ProxyProtocol, ProxyTlv, type Route } from "@helloway/proto/table";
import { parseAddress } from "@helloway/routing/address";
import { weighsLoads } from "../backend/backend-chooser.ts";
import type { Refusal } from "./refusal.ts";
import type { RouteForwarding, RouteTimeouts, ServedBackend, Tier } from "./served-route.ts";

const balances: ReadonlyMap<number, RouteForwarding["balance"]> = new Map([
  [Balance.UNSPECIFIED, "roundRobin"],
  [Balance.ROUND_ROBIN, "roundRobin"],
  [Balance.LEAST_CONNECTIONS, "leastConnections"],
  [Balance.RANDOM, "random"],
  [Balance.SOURCE_HASH, "sourceHash"],
]);

const proxyProtocols: ReadonlyMap<number, RouteForwarding["proxyProtocol"]> = new Map([
  [ProxyProtocol.UNSPECIFIED, "none"],
  [ProxyProtocol.NONE, "none"],
  [ProxyProtocol.V1, "v1"],
  [ProxyProtocol.V2, "v2"],
]);

const proxyTlvs: ReadonlyMap<number, RouteForwarding["proxyTlvs"][number]> = new Map([
  [ProxyTlv.AUTHORITY, "authority"],
  [ProxyTlv.ALPN, "alpn"],
  [ProxyTlv.UNIQUE_ID, "uniqueId"],
  [ProxyTlv.EDGE, "edge"],
]);

/** Of a route that was checked: whether the loads of its backends are to be counted. */
export function countsLoads(route: Route): boolean {
  return weighsLoads(balances.get(route.balance)!);
}

/** Why the engine cannot choose among a route's backends, or tell them of the client, as it says; null: it can. */
export function forwardingProblem(route: Route): Refusal | null {
  if (!balances.has(route.balance)) return { code: "unknown_value", detail: `balance ${route.balance} is unknown.` };
  if (!proxyProtocols.has(route.proxyProtocol))
    return { code: "unknown_value", detail: `proxyProtocol ${route.proxyProtocol} is unknown.` };
  for (const [i, number] of route.proxyTlvs.entries()) {
    const tlv = proxyTlvs.get(number);
    if (tlv === undefined) return { code: "unknown_value", detail: `proxyTlvs: ${number} is unknown.` };
    if (route.proxyTlvs.indexOf(number) !== i) return { code: "bad_proxy", detail: `proxyTlvs lists ${tlv} twice.` };
  }
  if (route.proxyTlvs.length > 0 && route.proxyProtocol !== ProxyProtocol.V2)
    return { code: "bad_proxy", detail: "proxyTlvs need version 2 of the PROXY protocol." };
  return null;
}

/** Of a route that was checked. */
export function routeForwarding(route: Route): RouteForwarding {
  const { uid, team, name, balance, proxyProtocol, timeouts, backends } = route;
  return {
    uid,
    label: uid.startsWith("@") ? uid : `${team}/${name}`,
    balance: balances.get(balance)!,
    proxyProtocol: proxyProtocols.get(proxyProtocol)!,
    proxyTlvs: route.proxyTlvs.map((each) => proxyTlvs.get(each)!),
    tiers: tiersOf(backends),
    timeouts: toRouteTimeouts(timeouts!),
  };
}

/** As accounting knows it. */
export function backendKey({ host, port }: Pick<Backend, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function toRouteTimeouts(timeouts: NonNullable<Route["timeouts"]>): RouteTimeouts {
  const { connectMs, idleMs, halfClosedMs, writeStallMs, maxDurationMs } = timeouts;
  return { connectMs, idleMs, halfClosedMs, writeStallMs, maxDurationMs: maxDurationMs ?? null };
}

function tiersOf(backends: readonly Backend[]): Tier[] {
  const tiers = new Map<number, ServedBackend[]>();
  for (const backend of backends) {
    const { host, port, weight, priority } = backend;
    const served = { key: backendKey(backend), host, port, address: parseAddress(host), weight };
    const tier = tiers.get(priority);
    if (tier) tier.push(served);
    else tiers.set(priority, [served]);
  }
  return [...tiers].sort(([a], [b]) => a - b).map(([, each], index) => ({ index, backends: each }));
}
