import { z } from "@hono/zod-openapi";
import { objectName } from "./name.ts";
import { refuse } from "./custom-problem.ts";
import { instantInput } from "./instant-input.ts";
import { instant } from "./object-output.ts";
import type { TokenView } from "../../fleet/tokens.ts";

const fleetRoles = ["admin", "viewer"] as const;
const role = z.enum([...fleetRoles, "owner", "editor", "reader"]).openapi({
  description: "`admin` and `viewer` are over the whole fleet; `owner`, `editor` and `reader` over one team.",
  example: "editor",
});

export const tokenCreate = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[\x20-\x7e]*$/, "Printable ASCII.")
      .openapi({ description: "What it is for; people see it in lists.", example: "payments-ci" }),
    team: objectName.nullish().openapi({ description: "Of a team's role; null or absent for the whole fleet." }),
    role,
    expiresAt: instantInput
      .nullish()
      .openapi({ description: "null or absent: never.", format: "date-time", example: "2027-06-01T00:00:00Z" }),
  })
  .superRefine((given, ctx) => {
    const fleetWide = fleetRoles.some((one) => one === given.role);
    if (fleetWide && given.team) refuse(ctx, "not_allowed", "A fleet role has no team.", ["team"]);
    if (!fleetWide && !given.team) refuse(ctx, "required", "A team role needs its team.", ["team"]);
  })
  .transform(({ name, team, role: given, expiresAt }) => ({
    name,
    team: team ?? null,
    role: given,
    expiresAt: expiresAt ?? null,
  }))
  .openapi("TokenCreate", { example: { name: "payments-ci", team: "payments", role: "editor" } });

const fields = {
  id: z.string().openapi({ format: "uuid" }),
  name: z.string(),
  team: z.string().nullable(),
  role,
  createdBy: z.string(),
  createdAt: instant("When it was made."),
  expiresAt: instant("When it stops working; null: never.").nullable(),
  lastUsedAt: instant("null: never used.").nullable(),
  revokedAt: instant("null: not revoked.").nullable(),
};

export const tokenOutput = z.object(fields).openapi("Token");

export const tokenIssued = z
  .object({
    token: z.string().openapi({ description: "The secret. It is shown here and never again.", example: "hwt_..." }),
    ...fields,
  })
  .openapi("IssuedToken");

export const printToken = (view: TokenView): z.infer<typeof tokenOutput> => ({
  id: view.id,
  name: view.name,
  team: view.team,
  role: view.role,
  createdBy: view.createdBy,
  createdAt: view.createdAt.toISOString(),
  expiresAt: view.expiresAt?.toISOString() ?? null,
  lastUsedAt: view.lastUsedAt?.toISOString() ?? null,
  revokedAt: view.revokedAt?.toISOString() ?? null,
});
