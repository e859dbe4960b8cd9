import { z } from "@hono/zod-openapi";

/** Names of teams, pools, routes and edges appear in paths, metric labels and logs: what a DNS label may be, and dots for edges. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const dotted = /^(?=.{1,253}$)[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const detail = "1 to 63 of a-z, 0-9 and -, not - at either end.";

export const objectName = z.string().regex(label, detail).openapi({ description: detail, example: "payments" });

/** Often a host name, so dots are fine. */
export const edgeName = z
  .string()
  .regex(dotted, "1 to 253 of a-z, 0-9, - and ., a letter or digit at either end.")
  .openapi({ example: "edge-1.example.com" });
