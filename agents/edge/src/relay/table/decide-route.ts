import { decide } from "@helloway/routing/decide";
import type { HelloFacts } from "@helloway/routing/hello-facts";
import type { RefusedReason } from "@helloway/routing/close-reason";
import { type Alert, alerts } from "@helloway/routing/alert";
import type { ServedRoute } from "./served-route.ts";
import type { Table } from "./table.ts";

export type RouteDecision =
  | { kind: "route"; route: ServedRoute }
  /** route: the one that the client is not let into; null: there is none. */
  | { kind: "refused"; reason: RefusedReason; alert: Alert; route: ServedRoute | null };

/** Which route serves a complete hello, or how it is refused. */
export function decideRoute(table: Table, facts: HelloFacts): RouteDecision {
  const decision = decide(table, facts);
  if (decision.kind === "route") return decision;
  const { reason, alpnOnly = false, route = null } = decision;
  return { kind: "refused", reason, alert: alpnOnly ? alerts.noApplicationProtocol : alertOf[reason], route };
}

const alertOf = {
  no_sni: alerts.missingExtension,
  no_route: alerts.unrecognizedName,
  no_match: alerts.unrecognizedName,
  denied: alerts.unrecognizedName,
  tls_version: alerts.protocolVersion,
} as const;
