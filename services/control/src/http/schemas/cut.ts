import { z } from "@hono/zod-openapi";
import { duration } from "./duration.ts";
import type { RouteCutStatus } from "../../fleet/cut-route.ts";

const waitDefaultMs = 10_000;

export const cutQuery = z
  .strictObject({
    wait: duration(
      { min: "0s", max: "30s", default: "10s" },
      "How long to wait for edges that do not answer.",
    ).optional(),
  })
  .transform(({ wait }) => ({ waitMs: wait ?? waitDefaultMs }));

export const cutOutput = z
  .object({
    connections: z.int().openapi({ description: "Cut by the edges that are `done`.", example: 3 }),
    edges: z.array(
      z.object({
        edge: z.string().openapi({ example: "edge-1" }),
        state: z.enum(["done", "pending", "failed", "unsupported", "unreachable"]).openapi({
          description:
            "`done`; `pending`: asked, and no answer yet; `failed`: refused, or not answered within 30 s, with `error`; `unsupported`: the agent knows no cut; `unreachable`: it has no session, so it was not asked.",
          example: "done",
        }),
        connections: z.int().optional().openapi({ description: "Cut there.", example: 3 }),
        error: z.string().optional(),
      }),
    ),
  })
  .openapi("RouteCut");

export const printCut = ({ connections, edges }: RouteCutStatus): z.infer<typeof cutOutput> => ({ connections, edges });
