import { z } from "@hono/zod-openapi";
import { objectOutput, printObject } from "./object-output.ts";
import { objectWrite } from "./object-write.ts";
import { printTeamSpec, teamSpecInput, teamSpecOutput } from "./team-spec.ts";
import type { TeamView } from "../../fleet/teams.ts";

export const teamWrite = objectWrite(teamSpecInput).openapi("TeamWrite", {
  example: { labels: { department: "finance" }, description: "Card payments", spec: { quotas: { routes: 200 } } },
});

export const teamOutput = objectOutput("Team", { spec: teamSpecOutput, status: z.object({}), more: {} });

export const printTeam = (view: TeamView): z.infer<typeof teamOutput> => ({
  ...printObject(view),
  spec: printTeamSpec(view.spec),
  status: {},
});
