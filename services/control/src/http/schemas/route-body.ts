import { z } from "@hono/zod-openapi";
import { accessInput, accessOutput, printAccess } from "./access.ts";
import { backendOutput, backendsInput, printBackend } from "./backend.ts";
import { later, onlyDefault } from "./later.ts";
import { limitsInput, limitsOutput, printLimits } from "./limits.ts";
import { checkProxyTlvs, proxyProtocol, proxyTlvsInput, proxyTlvsOutput } from "./proxy-protocol.ts";
import { printTimeouts, timeoutsDefault, timeoutsInput, timeoutsOutput } from "./timeouts.ts";
import type { RouteBodySpec } from "../../fleet/specs.ts";

const balance = z.enum(["roundRobin", "leastConnections", "random", "sourceHash"]).openapi({
  description:
    "How a backend is chosen among those of one priority: in turn, the one with the fewest connections for its weight, the less loaded of two at random, or always the same for a client's address.",
  example: "roundRobin",
});

/** What a route and a default of a pool have in common. */
export const routeBodyFields = {
  backends: backendsInput,
  timeouts: timeoutsInput.optional().transform((given) => given ?? timeoutsDefault()),
  balance: balance.default("roundRobin"),
  proxyProtocol: proxyProtocol.default("none"),
  proxyTlvs: proxyTlvsInput.default([]),
  limits: limitsInput.nullish().openapi({
    description: "Bounds of each edge, over all its workers. A source is an IPv4 address or the /64 of an IPv6 one.",
  }),
  access: accessInput.nullish().openapi({ description: "Who may connect; null or absent: everybody." }),
  health: later("Active health checks."),
  onAllUnhealthy: onlyDefault("useAll", "What happens when no backend is healthy."),
};

const fields = z.strictObject(routeBodyFields);

/** Defaults are left out, so that an object is stored and sent as it was before there was the field. */
export function toRouteBody(given: z.output<typeof fields>): RouteBodySpec {
  return {
    backends: given.backends,
    timeouts: given.timeouts,
    ...(given.balance === "roundRobin" ? {} : { balance: given.balance }),
    ...(given.proxyProtocol === "none" ? {} : { proxyProtocol: given.proxyProtocol }),
    ...(given.proxyTlvs.length === 0 ? {} : { proxyTlvs: given.proxyTlvs }),
    ...(given.limits ? { limits: given.limits } : {}),
    ...(given.access ? { access: given.access } : {}),
  };
}

export const routeBodyInput = fields
  .superRefine(checkProxyTlvs)
  .transform(toRouteBody)
  .openapi("RouteBodyInput", { example: { backends: [{ address: "192.168.1.10:443" }] } });

export const routeBodyOutput = z
  .object({
    backends: z.array(backendOutput),
    timeouts: timeoutsOutput,
    balance,
    proxyProtocol,
    proxyTlvs: proxyTlvsOutput,
    limits: limitsOutput.nullable().openapi({ description: "null: none." }),
    access: accessOutput.nullable().openapi({ description: "null: everybody." }),
  })
  .openapi("RouteBody");

export function printRouteBody(spec: RouteBodySpec): z.infer<typeof routeBodyOutput> {
  return {
    backends: spec.backends.map(printBackend),
    timeouts: printTimeouts(spec.timeouts),
    balance: spec.balance ?? "roundRobin",
    proxyProtocol: spec.proxyProtocol ?? "none",
    proxyTlvs: spec.proxyTlvs ?? [],
    limits: printLimits(spec.limits),
    access: printAccess(spec.access),
  };
}
