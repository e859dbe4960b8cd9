import { z } from "@hono/zod-openapi";
import { parseCidr } from "@helloway/routing/address";
import { mergeCidrs } from "@helloway/routing/merge-cidrs";
import { refuse } from "./custom-problem.ts";

/** Edges look a client up in them in one step however many they are; the bound is for who reads the route. */
export const networksMax = 256;

const network = z
  .string()
  .superRefine((text, ctx) => {
    if (parseCidr(text) === null) refuse(ctx, "bad_cidr", 'A network like "10.0.0.0/8" or "2001:db8::/32".');
  })
  .openapi({ example: "10.0.0.0/8" });

/** Networks of clients; merged and sorted. */
export const networks = (about: string) =>
  z
    .array(network)
    .max(networksMax)
    .transform((texts) => mergeCidrs(texts))
    .openapi({
      type: "array",
      items: { type: "string" },
      maxItems: networksMax,
      description: about,
      example: ["10.0.0.0/8", "2001:db8::/32"],
    });
