import { z } from "@hono/zod-openapi";
import { formatCidr, parseCidr } from "@helloway/routing/address";
import { refuse } from "./custom-problem.ts";
import { objectName } from "./name.ts";
import { portsInput, portsOutput, printPorts } from "./ports.ts";
import type { AddressGrantSpec, PoolSpec } from "../../fleet/specs.ts";

const cidrsMax = 256;
const teamsMax = 1000;
/** The lengths an IPv4 address can be embedded behind (RFC 6052 section 2.2). */
const nat64Lengths = new Set([32, 40, 48, 56, 64, 96]);

const cidr = z
  .string()
  .transform((text, ctx) => {
    if (text === "public") return text;
    const parsed = parseCidr(text);
    return parsed === null
      ? refuse(ctx, "bad_cidr", 'A network like "10.0.0.0/8" or "2001:db8::/32", or "public".')
      : formatCidr(parsed);
  })
  .openapi({ type: "string", example: "10.0.0.0/8" });

const nat64 = z
  .string()
  .transform((text, ctx) => {
    const parsed = parseCidr(text);
    return parsed === null || parsed.family !== 6 || !nat64Lengths.has(parsed.prefixLength)
      ? refuse(ctx, "bad_cidr", "An IPv6 prefix of 32, 40, 48, 56, 64 or 96 bits.")
      : formatCidr(parsed);
  })
  .openapi({ type: "string", example: "2001:db8:64::/96" });

const grantInput = z
  .strictObject({
    cidrs: z
      .array(cidr)
      .max(cidrsMax)
      .openapi({ description: 'Networks, or "public".', example: ["public"] }),
    ports: portsInput,
  })
  .openapi("AddressGrantInput");

const grantOutput = z.object({ cidrs: z.array(z.string()), ports: portsOutput }).openapi("AddressGrant");

/** Out of the box: public addresses, port 443. */
const grantDefault = (): AddressGrantSpec => ({ cidrs: ["public"], ports: [{ from: 443, to: 443 }] });

export const addressGrantsInput = z
  .strictObject({
    default: grantInput.optional().openapi({ description: "Of every team that is not named." }),
    teams: z
      .record(objectName, grantInput)
      .refine((teams) => Object.keys(teams).length <= teamsMax, {
        error: `At most ${teamsMax} teams.`,
        params: { code: "too_big" },
      })
      .optional()
      .openapi({ description: "A team named here has this grant instead of the default." }),
    nat64: z.array(nat64).max(16).optional().openapi({ description: "Further NAT64 prefixes to unwrap." }),
  })
  .transform((given): PoolSpec["addresses"] => ({
    default: given.default ?? grantDefault(),
    teams: given.teams ?? {},
    nat64: given.nat64 ?? [],
  }))
  .openapi("AddressGrantsInput");

export const addressGrantsDefault = (): PoolSpec["addresses"] => ({ default: grantDefault(), teams: {}, nat64: [] });

export const addressGrantsOutput = z
  .object({ default: grantOutput, teams: z.record(z.string(), grantOutput), nat64: z.array(z.string()) })
  .openapi("AddressGrants");

const printGrant = (grant: AddressGrantSpec) => ({ cidrs: grant.cidrs, ports: printPorts(grant.ports) });

export function printAddressGrants(spec: PoolSpec["addresses"]): z.infer<typeof addressGrantsOutput> {
  const teams = Object.entries(spec.teams).map(([team, grant]) => [team, printGrant(grant)] as const);
  return { default: printGrant(spec.default), teams: Object.fromEntries(teams), nat64: spec.nat64 };
}
