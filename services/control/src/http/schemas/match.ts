import { z } from "@hono/zod-openapi";
import { canonicalCriteria } from "@helloway/routing/criteria";
import { unescapeBytes } from "@helloway/routing/escaped-bytes";
import { countries } from "./countries.ts";
import { refuse } from "./custom-problem.ts";
import { networks } from "./networks.ts";
import type { MatchSpec } from "../../fleet/specs.ts";

/** Clients offer a handful; more in a route would only slow down every connection of its hostnames. */
export const protocolsMax = 32;
/** As its one byte of length in the hello (RFC 7301 section 3.1). */
const protocolBytesMax = 255;

const protocol = z
  .string()
  .superRefine((text, ctx) => {
    const bytes = unescapeBytes(text);
    if (bytes === null) {
      refuse(ctx, "bad_alpn", "Printable ASCII; other bytes, and the backslash, as \\xNN.");
    } else if (bytes.length === 0 || bytes.length > protocolBytesMax) {
      refuse(ctx, "out_of_range", `A protocol has 1 to ${protocolBytesMax} bytes.`);
    }
  })
  .openapi({ example: "h2" });

const alpn = z
  .array(protocol)
  .max(protocolsMax)
  .openapi({
    description: "Any of these is offered. Printable ASCII; other bytes, and the backslash, as \\xNN.",
    example: ["h2", "http/1.1"],
  });

/** Absent when nothing is a criterion. */
export const matchInput = z
  .strictObject({
    alpn: alpn.optional(),
    sourceCidrs: networks("The client's address is in one of these.").optional(),
    countries: countries("The client is in one of these.").optional(),
  })
  .transform((given): MatchSpec | undefined => {
    const criteria = canonicalCriteria({
      alpn: given.alpn ?? [],
      sourceCidrs: given.sourceCidrs ?? [],
      countries: given.countries ?? [],
    });
    const spec = {
      alpn: [...criteria.alpn],
      sourceCidrs: [...criteria.sourceCidrs],
      countries: [...criteria.countries],
    };
    return Object.values(spec).every((list) => list.length === 0) ? undefined : spec;
  })
  .openapi("MatchInput");

const texts = z.array(z.string());

export const matchOutput = z
  .object({
    alpn: texts.openapi({ example: ["h2"] }),
    sourceCidrs: texts.openapi({ example: ["10.0.0.0/8"] }),
    countries: texts.openapi({ example: ["NL"] }),
  })
  .openapi("Match");

export const printMatch = (spec: MatchSpec | undefined): z.infer<typeof matchOutput> | null =>
  spec === undefined ? null : { alpn: spec.alpn, sourceCidrs: spec.sourceCidrs, countries: spec.countries };
