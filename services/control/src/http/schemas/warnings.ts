import { z } from "@hono/zod-openapi";
import type { RouteWarning } from "../../fleet/route-warnings.ts";

export const warningsOutput = z
  .array(
    z.object({
      code: z.enum(["acme_tls_unreachable", "edge_lacks_feature", "edge_lacks_geo_database"]),
      detail: z.string(),
      pointer: z.string().openapi({ description: "JSON pointer into the object.", example: "/spec/hostnames/0" }),
    }),
  )
  .optional()
  .openapi({
    description:
      "What the route, or a default of the pool, asks for and does not get as things are; absent: nothing. `acme_tls_unreachable`: every route of a hostname asks for other protocols than `acme-tls/1`. `edge_lacks_feature`, `edge_lacks_geo_database`: edges of the pool will refuse it.",
  });

/** The part of an answer that is there only when it says something. */
export const printWarnings = (given: readonly RouteWarning[]): { warnings?: z.infer<typeof warningsOutput> } =>
  given.length === 0 ? {} : { warnings: given.map(({ code, detail, pointer }) => ({ code, detail, pointer })) };
