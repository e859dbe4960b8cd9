import { Balance, ProxyProtocol, ProxyTlv, type Route } from "@helloway/proto/table";
import { type Checked, refused, served } from "./refusal.ts";
import type { RouteForwarding } from "./served-route.ts";

const balances = new Map<number, RouteForwarding["balance"]>([
  [Balance.UNSPECIFIED, "roundRobin"],
  [Balance.ROUND_ROBIN, "roundRobin"],
  [Balance.LEAST_CONNECTIONS, "leastConnections"],
  [Balance.RANDOM, "random"],
  [Balance.SOURCE_HASH, "sourceHash"],
]);

const proxyProtocols = new Map<number, RouteForwarding["proxyProtocol"]>([
  [ProxyProtocol.UNSPECIFIED, "none"],
  [ProxyProtocol.NONE, "none"],
  [ProxyProtocol.V1, "v1"],
  [ProxyProtocol.V2, "v2"],
]);

const proxyTlvs = new Map<number, RouteForwarding["proxyTlvs"][number]>([
  [ProxyTlv.AUTHORITY, "authority"],
  [ProxyTlv.ALPN, "alpn"],
  [ProxyTlv.UNIQUE_ID, "uniqueId"],
  [ProxyTlv.EDGE, "edge"],
]);

/** How a route chooses among its backends, and what it tells them of the client. */
export function checkForwarding(route: Route): Checked<RouteForwarding> {
  const balance = balances.get(route.balance);
  if (balance === undefined) return refused("unknown_value", `balance ${route.balance} is unknown.`);
  const proxyProtocol = proxyProtocols.get(route.proxyProtocol);
  if (proxyProtocol === undefined) return refused("unknown_value", `proxyProtocol ${route.proxyProtocol} is unknown.`);
  const tlvs: RouteForwarding["proxyTlvs"][number][] = [];
  for (const number of route.proxyTlvs) {
    const tlv = proxyTlvs.get(number);
    if (tlv === undefined) return refused("unknown_value", `proxyTlvs: ${number} is unknown.`);
    if (tlvs.includes(tlv)) return refused("bad_proxy", `proxyTlvs lists ${tlv} twice.`);
    tlvs.push(tlv);
  }
  if (tlvs.length > 0 && proxyProtocol !== "v2")
    return refused("bad_proxy", "proxyTlvs need version 2 of the PROXY protocol.");
  return served({ balance, proxyProtocol, proxyTlvs: tlvs });
}
