import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { deleteRoute, getRoute, listRoutes, putRoute } from "../fleet/routes.ts";
import { answers, authenticated, etagHeader, json, locationHeader, takesBody } from "./answers.ts";
import { deleteConditions, putConditions, toPrecondition } from "./conditions.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery, pageOf, pageQuery, toPage } from "./page-query.ts";
import { respondRead, respondWritten } from "./respond-object.ts";
import { objectName } from "./schemas/name.ts";
import { queryFlag } from "./schemas/query-flag.ts";
import { dryRunOutput, printRoute, routeOutput, routeWrite, warnedRoute } from "./schemas/route.ts";
import { printWarnings } from "./schemas/warnings.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const teamPath = "/api/v1/teams/{team}/routes";
const path = `${teamPath}/{route}` as const;
const tags = ["Routes"];
const teamParams = z.object({ team: objectName });
const params = z.object({ team: objectName, route: objectName });
const routePage = pageOf(routeOutput, "RoutePage");

const listAll = createRoute({
  operationId: "listAllRoutes",
  tags,
  summary: "The routes of all teams (administrators)",
  method: "get",
  path: "/api/v1/routes",
  request: { query: pageQuery },
  responses: answers({ 200: json("A page.", routePage) }, ...authenticated, 422),
});

const list = createRoute({
  operationId: "listRoutes",
  tags,
  summary: "The team's routes",
  method: "get",
  path: teamPath,
  request: { params: teamParams, query: pageQuery },
  responses: answers({ 200: json("A page.", routePage) }, ...authenticated, 404, 422),
});

const get = createRoute({
  operationId: "getRoute",
  tags,
  summary: "One route, and how far the edges are with it",
  method: "get",
  path,
  request: { params, query: noQuery },
  responses: answers({ 200: json("The route.", warnedRoute, { ETag: etagHeader }) }, ...authenticated, 404, 422),
});

const put = createRoute({
  operationId: "putRoute",
  tags,
  summary: "Make or change a route; repeating it changes nothing",
  method: "put",
  path,
  middleware: [jsonBody()] as const,
  request: {
    params,
    query: z.strictObject({
      dryRun: queryFlag("Check everything and say what would change; write nothing."),
      force: queryFlag("Take the route over from another `managedBy`."),
    }),
    headers: putConditions,
    body: { required: true, content: { "application/json": { schema: routeWrite } } },
  },
  responses: answers(
    {
      200: json("Changed, or as it was; with `dryRun` what would change.", z.union([warnedRoute, dryRunOutput]), {
        ETag: etagHeader,
      }),
      201: json("Made.", warnedRoute, { ETag: etagHeader, Location: locationHeader }),
    },
    ...authenticated,
    ...takesBody,
    404,
    409,
    412,
  ),
});

const remove = createRoute({
  operationId: "deleteRoute",
  tags,
  summary: "Delete a route; established connections live on",
  method: "delete",
  path,
  request: { params, query: noQuery, headers: deleteConditions },
  responses: answers({ 204: { description: "Gone." } }, ...authenticated, 404, 409, 412, 422),
});

export function routesApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(listAll, async (c) => {
    const page = await listRoutes(contextOf(c, deps), toPage(c.req.valid("query")));
    return c.json({ items: page.items.map(printRoute), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(list, async (c) => {
    const { team } = c.req.valid("param");
    const page = await listRoutes(contextOf(c, deps), { ...toPage(c.req.valid("query")), team });
    return c.json({ items: page.items.map(printRoute), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(get, async (c) => {
    const { team, route } = c.req.valid("param");
    const { object, warnings } = await getRoute(contextOf(c, deps), { team, name: route });
    return respondRead(c, { ...printRoute(object), ...printWarnings(warnings) });
  });
  app.openapi(put, async (c) => {
    const { team, route } = c.req.valid("param");
    const { dryRun, force } = c.req.valid("query");
    const result = await putRoute(contextOf(c, deps), {
      team,
      name: route,
      put: c.req.valid("json"),
      precondition: toPrecondition(c.req.valid("header")),
      dryRun,
      force,
    });
    const object = printRoute(result.object);
    const warnings = printWarnings(result.warnings);
    if (!dryRun) return respondWritten(c, { ...object, ...warnings }, result.created);
    const change = result.created ? "create" : result.changed ? "update" : "none";
    return c.json({ dryRun: true as const, change, object, ...warnings }, 200);
  });
  app.openapi(remove, async (c) => {
    const { team, route } = c.req.valid("param");
    await deleteRoute(contextOf(c, deps), { team, name: route, precondition: toPrecondition(c.req.valid("header")) });
    return c.body(null, 204);
  });
  return app;
}
