import { z } from "@hono/zod-openapi";
import { hostname } from "./hostname.ts";
import { later, onlyDefault } from "./later.ts";
import { objectName } from "./name.ts";
import { refuse } from "./custom-problem.ts";
import { printRouteBody, routeBodyFields, routeBodyOutput } from "./route-body.ts";
import type { RouteSpec } from "../../fleet/specs.ts";

/** A certificate rarely carries more. */
export const hostnamesMax = 100;

const hostnames = z
  .array(hostname)
  .min(1)
  .max(hostnamesMax)
  .superRefine((names, ctx) => {
    for (const [index, name] of names.entries()) {
      const first = names.indexOf(name);
      if (first !== index) refuse(ctx, "duplicate", `The same as item ${first}.`, [index]);
    }
  })
  .openapi({
    description: "Under domains that the team holds.",
    example: ["api.pay.example.com", "*.eu.pay.example.com"],
  });

const wildcardDepth = z
  .enum(["any", "one"])
  .openapi({ description: "How many labels a wildcard stands for.", example: "any" });

export const routeSpecInput = z
  .strictObject({
    pool: objectName.openapi({ description: "Whose edges serve it.", example: "public" }),
    hostnames,
    wildcardDepth: wildcardDepth.default("any"),
    ...routeBodyFields,
    match: later("Further criteria."),
    onReject: onlyDefault("keep", "What an edge does with an edit it refuses."),
    ttl: later("Makes the route a lease."),
  })
  .transform((given): RouteSpec => ({
    pool: given.pool,
    hostnames: given.hostnames,
    wildcardDepth: given.wildcardDepth,
    backends: given.backends,
    timeouts: given.timeouts,
  }))
  .openapi("RouteSpecInput");

export const routeSpecOutput = routeBodyOutput
  .extend({
    pool: z.string().openapi({ example: "public" }),
    hostnames: z.array(z.string()).openapi({ example: ["api.pay.example.com", "*.eu.pay.example.com"] }),
    wildcardDepth,
  })
  .openapi("RouteSpec");

export function printRouteSpec(spec: RouteSpec): z.infer<typeof routeSpecOutput> {
  return {
    pool: spec.pool,
    hostnames: spec.hostnames,
    wildcardDepth: spec.wildcardDepth,
    ...printRouteBody(spec),
  };
}
