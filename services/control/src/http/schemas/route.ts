import { z } from "@hono/zod-openapi";
import { objectOutput, printObject } from "./object-output.ts";
import { objectWrite } from "./object-write.ts";
import { printRouteSpec, routeSpecInput, routeSpecOutput } from "./route-spec.ts";
import { warningsOutput } from "./warnings.ts";
import type { RouteView } from "../../fleet/routes.ts";

export const routeWrite = objectWrite(routeSpecInput).openapi("RouteWrite", {
  example: {
    labels: { environment: "production" },
    description: "Card payments",
    spec: {
      pool: "public",
      hostnames: ["api.pay.example.com", "*.eu.pay.example.com"],
      backends: [
        { address: "192.0.2.10:443", weight: 2 },
        { address: "backup.example.net:443", priority: 1 },
      ],
      timeouts: { connect: "3s", idle: "10m" },
    },
  },
});

const routeStatus = z.object({
  state: z.enum(["suspended", "expired", "rejected", "degraded", "pending", "live"]).openapi({
    description:
      "The first that holds: rejected by all edges, degraded (rejected by some), pending (not everywhere yet), live (every connected edge has it, and at least one is connected).",
    example: "live",
  }),
  revision: z.int().openapi({ description: "Of the pool, that carries this version.", example: 41 }),
  edges: z.array(
    z.object({
      edge: z.string().openapi({ example: "edge-1" }),
      revision: z.int().openapi({ description: "What the edge has.", example: 41 }),
      accepted: z.boolean(),
      reason: z.string().optional().openapi({ description: "Why it was refused." }),
    }),
  ),
});

const ofRoutes = {
  team: z.string().openapi({ example: "payments" }),
  revision: z.int().openapi({ description: "Of the pool, that carries this version.", example: 41 }),
};

export const routeOutput = objectOutput("Route", { spec: routeSpecOutput, status: routeStatus, more: ofRoutes });

/** What reading or writing one answers. */
export const warnedRoute = objectOutput("WarnedRoute", {
  spec: routeSpecOutput,
  status: routeStatus,
  more: { ...ofRoutes, warnings: warningsOutput },
});

export const dryRunOutput = z
  .object({
    dryRun: z.literal(true),
    change: z.enum(["create", "update", "none"]).openapi({ description: "What the write would do." }),
    object: routeOutput.openapi({ description: "The route as it would be." }),
    warnings: warningsOutput,
  })
  .openapi("DryRun");

export const printRoute = (view: RouteView): z.infer<typeof routeOutput> => ({
  ...printObject(view),
  team: view.team,
  revision: view.revision,
  spec: printRouteSpec(view.spec),
  status: view.status,
});
