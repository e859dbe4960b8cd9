import { z } from "@hono/zod-openapi";
import { parseHostname } from "@helloway/routing/name";
import { refuse } from "./custom-problem.ts";

/** A hostname of a route in canonical form; "*.example.com" covers what is below. */
export const hostname = z
  .string()
  .transform((text, ctx) => {
    const parsed = parseHostname(text);
    return parsed.ok ? parsed.hostname : refuse(ctx, parsed.code, parsed.detail);
  })
  .openapi({
    type: "string",
    description: "A DNS name, or `*.` and one for all below it.",
    example: "api.pay.example.com",
  });

/** The name of a domain in canonical form. */
export const domainName = z
  .string()
  .transform((text, ctx) => {
    const parsed = parseHostname(text);
    if (!parsed.ok) return refuse(ctx, parsed.code, parsed.detail);
    if (parsed.wildcard) {
      return refuse(ctx, "bad_wildcard", 'A claim to all below a name is scope "tree"; leave out the "*.".');
    }
    return parsed.name;
  })
  .openapi({ type: "string", description: "A DNS name.", example: "pay.example.com" });
