import { canonicalName } from "@helloway/routing/name";
import { type Alert, alerts, type ParsedHello } from "../hello/hello.ts";
import type { ServedRoute } from "./served-route.ts";
import type { Table } from "./table.ts";

export type Decision =
  | { kind: "route"; route: ServedRoute }
  | { kind: "refused"; reason: "no_sni" | "no_route"; alert: Alert };

const noSni: Decision = { kind: "refused", reason: "no_sni", alert: alerts.missingExtension };
const noRoute: Decision = { kind: "refused", reason: "no_route", alert: alerts.unrecognizedName };

/** Which route serves a complete hello. A default never serves an unmatchable name, a barrier, or a hello that offers acme-tls/1. */
export function decideRoute(table: Table, hello: ParsedHello): Decision {
  if (hello.serverName === null) return byDefault(table.settings.noSni, hello, noSni);
  const name = canonicalName(hello.serverName);
  if (name === null) return noRoute;
  const found = table.names.lookup(name);
  if (found.kind === "routes") return { kind: "route", route: found.routes[0]! };
  return found.kind === "barrier" ? noRoute : byDefault(table.settings.unmatched, hello, noRoute);
}

function byDefault(route: ServedRoute | null, hello: ParsedHello, otherwise: Decision): Decision {
  return route === null || hello.alpn.some(isAcmeTls) ? otherwise : { kind: "route", route };
}

const acmeTls = Buffer.from("acme-tls/1");

/** RFC 8737: answering for a name that nobody registered would let its certificate be issued. */
function isAcmeTls(protocol: Uint8Array): boolean {
  return acmeTls.equals(protocol);
}
