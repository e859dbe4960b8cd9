import { z } from "@hono/zod-openapi";
import { countries } from "./countries.ts";
import { networks } from "./networks.ts";
import type { AccessSpec } from "../../fleet/specs.ts";

const minTlsVersion = z.enum(["1.0", "1.1", "1.2", "1.3"]);

/** Absent when everybody is admitted. */
export const accessInput = z
  .strictObject({
    allow: networks(
      "With `allowCountries`: where one of the two is given, only who is in one of them is admitted.",
    ).optional(),
    deny: networks("Denied, whatever is allowed.").optional(),
    allowCountries: countries("As `allow`.").optional(),
    denyCountries: countries("Denied, whatever is allowed.").optional(),
    minTlsVersion: minTlsVersion.nullish().openapi({
      description: "The highest version that the client offers is at least this; null or absent: any.",
      example: "1.2",
    }),
  })
  .transform((given): AccessSpec | undefined => {
    const spec = {
      allow: given.allow ?? [],
      deny: given.deny ?? [],
      allowCountries: given.allowCountries ?? [],
      denyCountries: given.denyCountries ?? [],
      minTlsVersion: given.minTlsVersion ?? null,
    };
    return Object.values(spec).every((value) => value === null || value.length === 0) ? undefined : spec;
  })
  .openapi("AccessInput");

const texts = z.array(z.string());

export const accessOutput = z
  .object({
    allow: texts.openapi({ example: ["10.0.0.0/8"] }),
    deny: texts.openapi({ example: ["10.1.0.0/16"] }),
    allowCountries: texts.openapi({ example: ["NL"] }),
    denyCountries: texts.openapi({ example: [] }),
    minTlsVersion: minTlsVersion.nullable().openapi({ description: "null: any.", example: "1.2" }),
  })
  .openapi("Access");

export function printAccess(spec: AccessSpec | undefined): z.infer<typeof accessOutput> | null {
  if (spec === undefined) return null;
  const { allow, deny, allowCountries, denyCountries, minTlsVersion: version } = spec;
  return { allow, deny, allowCountries, denyCountries, minTlsVersion: version };
}
