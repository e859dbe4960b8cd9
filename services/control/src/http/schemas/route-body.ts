import { z } from "@hono/zod-openapi";
import { backendOutput, backendsInput, printBackend } from "./backend.ts";
import { refuse } from "./custom-problem.ts";
import { later, onlyDefault } from "./later.ts";
import { printTimeouts, timeoutsDefault, timeoutsInput, timeoutsOutput } from "./timeouts.ts";
import type { RouteBodySpec } from "../../fleet/specs.ts";

/** What a route and a default of a pool have in common. */
export const routeBodyFields = {
  backends: backendsInput,
  timeouts: timeoutsInput.optional().transform((given) => given ?? timeoutsDefault()),
  balance: onlyDefault("roundRobin", "How a backend is chosen among those of one priority."),
  proxyProtocol: onlyDefault("none", "PROXY header towards the backend."),
  proxyTlvs: z
    .array(z.string())
    .superRefine((given, ctx) => {
      if (given.length > 0) refuse(ctx, "unsupported", "Only an empty list is supported yet.");
    })
    .transform(() => undefined)
    .optional()
    .openapi({ description: "What a PROXY header carries. Only an empty list is supported yet.", maxItems: 0 }),
  limits: later("Bounds per edge."),
  access: later("Who may connect."),
  health: later("Active health checks."),
  onAllUnhealthy: onlyDefault("useAll", "What happens when no backend is healthy."),
};

export const routeBodyInput = z
  .strictObject(routeBodyFields)
  .transform(({ backends, timeouts }): RouteBodySpec => ({ backends, timeouts }))
  .openapi("RouteBodyInput", { example: { backends: [{ address: "192.168.1.10:443" }] } });

export const routeBodyOutput = z
  .object({ backends: z.array(backendOutput), timeouts: timeoutsOutput })
  .openapi("RouteBody");

export function printRouteBody(spec: RouteBodySpec): z.infer<typeof routeBodyOutput> {
  return { backends: spec.backends.map(printBackend), timeouts: printTimeouts(spec.timeouts) };
}
