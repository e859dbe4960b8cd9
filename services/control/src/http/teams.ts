import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { deleteTeam, getTeam, listTeams, putTeam } from "../fleet/teams.ts";
import { answers, authenticated, etagHeader, json, locationHeader, takesBody } from "./answers.ts";
import { deleteConditions, putConditions, toPrecondition } from "./conditions.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery, pageOf, pageQuery, toPage } from "./page-query.ts";
import { respondRead, respondWritten } from "./respond-object.ts";
import { objectName } from "./schemas/name.ts";
import { printTeam, teamOutput, teamWrite } from "./schemas/team.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const path = "/api/v1/teams/{team}";
const tags = ["Teams"];
const params = z.object({ team: objectName });

const list = createRoute({
  operationId: "listTeams",
  tags,
  summary: "The teams; members see their own",
  method: "get",
  path: "/api/v1/teams",
  request: { query: pageQuery },
  responses: answers({ 200: json("A page.", pageOf(teamOutput, "TeamPage")) }, ...authenticated, 422),
});

const get = createRoute({
  operationId: "getTeam",
  tags,
  summary: "One team",
  method: "get",
  path,
  request: { params, query: noQuery },
  responses: answers({ 200: json("The team.", teamOutput, { ETag: etagHeader }) }, ...authenticated, 404, 422),
});

const put = createRoute({
  operationId: "putTeam",
  tags,
  summary: "Make or change a team (administrators)",
  method: "put",
  path,
  middleware: [jsonBody()] as const,
  request: {
    params,
    query: noQuery,
    headers: putConditions,
    body: { required: true, content: { "application/json": { schema: teamWrite } } },
  },
  responses: answers(
    {
      200: json("Changed, or as it was.", teamOutput, { ETag: etagHeader }),
      201: json("Made.", teamOutput, { ETag: etagHeader, Location: locationHeader }),
    },
    ...authenticated,
    ...takesBody,
    404,
    409,
    412,
  ),
});

const remove = createRoute({
  operationId: "deleteTeam",
  tags,
  summary: "Delete a team without routes and domains (administrators)",
  method: "delete",
  path,
  request: { params, query: noQuery, headers: deleteConditions },
  responses: answers({ 204: { description: "Gone." } }, ...authenticated, 404, 409, 412, 422),
});

export function teamsApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(list, async (c) => {
    const page = await listTeams(contextOf(c, deps), toPage(c.req.valid("query")));
    return c.json({ items: page.items.map(printTeam), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(get, async (c) => {
    const team = await getTeam(contextOf(c, deps), { name: c.req.valid("param").team });
    return respondRead(c, printTeam(team));
  });
  app.openapi(put, async (c) => {
    const { object, created } = await putTeam(contextOf(c, deps), {
      name: c.req.valid("param").team,
      put: c.req.valid("json"),
      precondition: toPrecondition(c.req.valid("header")),
    });
    return respondWritten(c, printTeam(object), created);
  });
  app.openapi(remove, async (c) => {
    await deleteTeam(contextOf(c, deps), {
      name: c.req.valid("param").team,
      precondition: toPrecondition(c.req.valid("header")),
    });
    return c.body(null, 204);
  });
  return app;
}
