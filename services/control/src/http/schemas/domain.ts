import { z } from "@hono/zod-openapi";
import { domainName } from "./hostname.ts";
import { instant } from "./object-output.ts";
import type { DomainView } from "../../fleet/domains.ts";

const scope = z.enum(["exact", "tree"]).openapi({
  description: "The name alone, or the name and everything below it (needed for wildcards).",
  example: "tree",
});

export const domainCreate = z
  .strictObject({ name: domainName, scope })
  .openapi("DomainCreate", { example: { name: "pay.example.com", scope: "tree" } });

const challenge = z
  .object({
    recordName: z.string().openapi({ example: "_helloway-tree-challenge.pay.example.com" }),
    recordType: z.literal("TXT"),
    recordValue: z.string(),
  })
  .openapi("Challenge");

export const domainOutput = z
  .object({
    name: z.string().openapi({ example: "pay.example.com" }),
    team: z.string().openapi({ example: "payments" }),
    spec: z.object({ scope }),
    status: z.object({
      state: z.enum(["pending", "verified"]),
      challenge: challenge.openapi({ description: "What proves the claim in DNS." }),
      approvedBy: z.string().nullable().openapi({ description: "The administrator who vouched for it." }),
      verifiedAt: instant("null: not verified.").nullable(),
    }),
    version: z.int().openapi({ example: 1 }),
    createdAt: instant("When it was made."),
    updatedAt: instant("When it last changed."),
  })
  .openapi("Domain");

export const printDomain = (view: DomainView): z.infer<typeof domainOutput> => ({
  name: view.name,
  team: view.team,
  spec: { scope: view.spec.scope },
  status: {
    state: view.status.state,
    challenge: {
      recordName: view.status.challenge.recordName,
      recordType: "TXT",
      recordValue: view.status.challenge.recordValue,
    },
    approvedBy: view.status.approvedBy,
    verifiedAt: view.status.verifiedAt?.toISOString() ?? null,
  },
  version: view.version,
  createdAt: view.createdAt.toISOString(),
  updatedAt: view.updatedAt.toISOString(),
});
