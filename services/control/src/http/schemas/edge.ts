import { z } from "@hono/zod-openapi";
import { instant, objectOutput, printObject } from "./object-output.ts";
import { objectWrite } from "./object-write.ts";
import type { EdgeView } from "../../fleet/edges.ts";

export const edgeWrite = objectWrite(z.strictObject({}).default({})).openapi("EdgeWrite", {
  example: { labels: { site: "ams" }, description: "Rack 4", spec: {} },
});

const socket = z.object({
  address: z.string().openapi({ example: "192.0.2.1" }),
  port: z.int().openapi({ example: 443 }),
});

const edgeStatus = z.object({
  state: z.enum(["revoked", "joining", "stale", "behind", "up"]).openapi({
    description:
      "The first that holds: its identity is revoked, it never had a table (joining), it has no stream (stale), its table is not the pool's (behind), it is (up).",
    example: "up",
  }),
  pool: z.string().openapi({ example: "public" }),
  desired: z.object({ revision: z.int() }).openapi({ description: "The revision it should have." }),
  applied: z
    .object({ epoch: z.int(), revision: z.int(), at: instant("When.").nullable() })
    .openapi({ description: "The revision it has." }),
  agentVersion: z.string().nullable(),
  addresses: z.array(z.string()).openapi({ description: "Public addresses it reported." }),
  listeners: z.array(socket),
  connected: z.boolean(),
  seenAt: instant("When it was last heard of; null: never.").nullable(),
  saved: z
    .object({ revision: z.int().nullable(), error: z.string() })
    .openapi({ description: "What it could save to its disk, and what is wrong with saving." }),
  refused: z.int().openapi({ description: "Objects it does not serve as offered." }),
});

export const edgeOutput = objectOutput("Edge", { spec: z.object({}), status: edgeStatus, more: {} });

export const printEdge = (view: EdgeView): z.infer<typeof edgeOutput> => ({
  ...printObject(view),
  spec: {},
  status: {
    ...view.status,
    applied: { ...view.status.applied, at: view.status.applied.at?.toISOString() ?? null },
    seenAt: view.status.seenAt?.toISOString() ?? null,
  },
});
