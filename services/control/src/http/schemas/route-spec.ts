import { z } from "@hono/zod-openapi";
import { hostname } from "./hostname.ts";
import { later } from "./later.ts";
import { matchInput, matchOutput, printMatch } from "./match.ts";
import { objectName } from "./name.ts";
import { refuse } from "./custom-problem.ts";
import { checkProxyTlvs } from "./proxy-protocol.ts";
import { printRouteBody, routeBodyFields, routeBodyOutput, toRouteBody } from "./route-body.ts";
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

const onReject = z.enum(["keep", "drop"]).openapi({
  description:
    "What an edge does with an edit it refuses: serve the last version it accepted, or nothing for the hostnames.",
  example: "keep",
});

export const routeSpecInput = z
  .strictObject({
    pool: objectName.openapi({ description: "Whose edges serve it.", example: "public" }),
    hostnames,
    wildcardDepth: wildcardDepth.default("any"),
    ...routeBodyFields,
    match: matchInput.nullish().openapi({
      description:
        "Further criteria; all that are given must hold. Routes of one team may share a hostname when they differ here.",
    }),
    onReject: onReject.default("keep"),
    ttl: later("Makes the route a lease."),
  })
  .superRefine(checkProxyTlvs)
  .transform((given): RouteSpec => ({
    pool: given.pool,
    hostnames: given.hostnames,
    wildcardDepth: given.wildcardDepth,
    ...toRouteBody(given),
    ...(given.match ? { match: given.match } : {}),
    ...(given.onReject === "drop" ? { onReject: given.onReject } : {}),
  }))
  .openapi("RouteSpecInput");

export const routeSpecOutput = routeBodyOutput
  .extend({
    pool: z.string().openapi({ example: "public" }),
    hostnames: z.array(z.string()).openapi({ example: ["api.pay.example.com", "*.eu.pay.example.com"] }),
    wildcardDepth,
    match: matchOutput.nullable().openapi({ description: "null: no further criteria." }),
    onReject,
  })
  .openapi("RouteSpec");

export function printRouteSpec(spec: RouteSpec): z.infer<typeof routeSpecOutput> {
  return {
    pool: spec.pool,
    hostnames: spec.hostnames,
    wildcardDepth: spec.wildcardDepth,
    ...printRouteBody(spec),
    match: printMatch(spec.match),
    onReject: spec.onReject ?? "keep",
  };
}
