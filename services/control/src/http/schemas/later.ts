import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";

/**
 * A field that is named in the contract and not acted on yet. Taking it and doing nothing would be a lie to who set it, so
 * any value is refused.
 */
export const later = (about: string) =>
  z
    .unknown()
    .superRefine((value, ctx) => {
      if (value !== undefined) refuse(ctx, "unsupported", "Not supported yet; leave it out.");
    })
    .transform(() => undefined)
    .optional()
    .openapi({ description: `${about} Not supported yet: refused with \`unsupported\`.`, not: {} });

/** As later, but the value that says what happens anyway is fine. */
export const onlyDefault = <const V extends string>(value: V, about: string) =>
  z
    .string()
    .superRefine((given, ctx) => {
      if (given !== value) refuse(ctx, "unsupported", `Only ${JSON.stringify(value)} is supported yet.`);
    })
    .transform(() => undefined)
    .optional()
    .openapi({ description: `${about} Only \`${value}\` is supported yet.`, enum: [value], default: value });
