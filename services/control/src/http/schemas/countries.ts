import { z } from "@hono/zod-openapi";
import { countryCodesCount, isCountryCode } from "@helloway/routing/country-codes";
import { refuse } from "./custom-problem.ts";

const country = z
  .string()
  .transform((text, ctx) => {
    const code = text.toUpperCase();
    return isCountryCode(code)
      ? code
      : refuse(ctx, "unknown_country", 'A code of ISO 3166-1 alpha-2 like "NL" or "DE".');
  })
  .openapi({ type: "string", example: "NL" });

/** Countries in upper case, sorted, each once. */
export const countries = (about: string) =>
  z
    .array(country)
    .max(countryCodesCount)
    .transform((codes) => [...new Set(codes)].toSorted())
    .openapi({
      type: "array",
      items: { type: "string" },
      maxItems: countryCodesCount,
      description: `${about} ISO 3166-1 alpha-2; needs a country database on the edges. Who comes from nowhere known is in none.`,
      example: ["DE", "NL"],
    });
