import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";
import type { TeamSpec } from "../../fleet/specs.ts";

const members = z
  .array(z.unknown())
  .superRefine((given, ctx) => {
    if (given.length > 0) refuse(ctx, "unsupported", "Members come with single sign-on; leave the list empty.");
  })
  .openapi({
    type: "array",
    items: {},
    maxItems: 0,
    description: "Groups of an identity provider. Only an empty list is supported yet.",
  });

const quota = (of: string) =>
  z
    .int()
    .min(0)
    .nullish()
    .openapi({ type: ["integer", "null"], description: `${of} at most; null or absent: no bound.`, example: 100 });

export const teamSpecInput = z
  .strictObject({
    members: members.optional(),
    quotas: z
      .strictObject({ routes: quota("Routes"), domains: quota("Domains") })
      .optional()
      .openapi({ description: "What the team may have." }),
  })
  .transform(({ quotas }): TeamSpec => ({
    members: [],
    quotas: { routes: quotas?.routes ?? null, domains: quotas?.domains ?? null },
  }))
  .openapi("TeamSpecInput");

export const teamSpecOutput = z
  .object({
    members: z.array(z.object({ group: z.string(), role: z.enum(["owner", "editor", "reader"]) })),
    quotas: z.object({ routes: z.int().nullable(), domains: z.int().nullable() }),
  })
  .openapi("TeamSpec");

export function printTeamSpec(spec: TeamSpec): z.infer<typeof teamSpecOutput> {
  return { members: spec.members, quotas: spec.quotas };
}
