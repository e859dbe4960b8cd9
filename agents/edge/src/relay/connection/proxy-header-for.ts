import { parseAddress } from "@helloway/routing/address";
import type { ParsedHello } from "../hello/hello.ts";
import type { Endpoint } from "../proxy-protocol/endpoint.ts";
import { proxyHeaderV1, proxyHeaderV2 } from "../proxy-protocol/proxy-header.ts";
import type { RouteForwarding } from "../table/served-route.ts";

export interface ProxyFacts {
  /** The client's end and the one it connected to. */
  source: { address: string; port: number };
  local: () => { address: string; port: number };
  /** The connection's id in the access log. */
  uniqueId: () => string;
  edge: string;
}

/** What a backend of the route is told before the hello; null: nothing. */
export function proxyHeaderFor(
  { proxyProtocol, proxyTlvs }: Pick<RouteForwarding, "proxyProtocol" | "proxyTlvs">,
  hello: ParsedHello,
  facts: ProxyFacts,
): Buffer | null {
  if (proxyProtocol === "none") return null;
  const endpoints = { source: endpoint(facts.source), destination: endpoint(facts.local()) };
  if (proxyProtocol === "v1") return proxyHeaderV1(endpoints);
  return proxyHeaderV2({
    ...endpoints,
    tlvs: {
      authority: proxyTlvs.includes("authority") ? hello.serverName : null,
      alpn: proxyTlvs.includes("alpn") ? hello.alpn : null,
      uniqueId: proxyTlvs.includes("uniqueId") ? facts.uniqueId() : null,
      edge: proxyTlvs.includes("edge") ? facts.edge : null,
    },
  });
}

function endpoint({ address, port }: { address: string; port: number }): Endpoint {
  const zone = address.indexOf("%");
  const parsed = parseAddress(zone === -1 ? address : address.slice(0, zone));
  if (parsed === null) throw new Error(`${address} is no address of a connection`);
  return { address: parsed, port };
}
