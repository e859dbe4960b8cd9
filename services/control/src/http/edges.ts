import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { deleteEdge, getEdge, listEdges, putEdge } from "../fleet/edges.ts";
import { answers, authenticated, etagHeader, json, takesBody } from "./answers.ts";
import { deleteConditions, putConditions, toPrecondition } from "./conditions.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery, pageOf, pageQuery, toPage } from "./page-query.ts";
import { respondRead, respondWritten } from "./respond-object.ts";
import { edgeOutput, edgeWrite, printEdge } from "./schemas/edge.ts";
import { edgeName } from "./schemas/name.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const path = "/api/v1/edges/{edge}";
const tags = ["Edges"];
const params = z.object({ edge: edgeName });

const list = createRoute({
  operationId: "listEdges",
  tags,
  summary: "The edges, with what each should serve and does (administrators)",
  method: "get",
  path: "/api/v1/edges",
  request: { query: pageQuery },
  responses: answers({ 200: json("A page.", pageOf(edgeOutput, "EdgePage")) }, ...authenticated, 422),
});

const get = createRoute({
  operationId: "getEdge",
  tags,
  summary: "One edge (administrators)",
  method: "get",
  path,
  request: { params, query: noQuery },
  responses: answers({ 200: json("The edge.", edgeOutput, { ETag: etagHeader }) }, ...authenticated, 404, 422),
});

const put = createRoute({
  operationId: "putEdge",
  tags,
  summary: "Change an edge's labels and description (administrators); edges are made by enrolling",
  method: "put",
  path,
  middleware: [jsonBody()] as const,
  request: {
    params,
    query: noQuery,
    headers: putConditions,
    body: { required: true, content: { "application/json": { schema: edgeWrite } } },
  },
  responses: answers(
    { 200: json("Changed, or as it was.", edgeOutput, { ETag: etagHeader }) },
    ...authenticated,
    ...takesBody,
    404,
    409,
    412,
  ),
});

const remove = createRoute({
  operationId: "deleteEdge",
  tags,
  summary: "Forget an edge: its identity stops working (administrators)",
  method: "delete",
  path,
  request: { params, query: noQuery, headers: deleteConditions },
  responses: answers({ 204: { description: "Gone." } }, ...authenticated, 404, 409, 412, 422),
});

export function edgesApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(list, async (c) => {
    const page = await listEdges(contextOf(c, deps), toPage(c.req.valid("query")));
    return c.json({ items: page.items.map(printEdge), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(get, async (c) => {
    const edge = await getEdge(contextOf(c, deps), { name: c.req.valid("param").edge });
    return respondRead(c, printEdge(edge));
  });
  app.openapi(put, async (c) => {
    const { object } = await putEdge(contextOf(c, deps), {
      name: c.req.valid("param").edge,
      put: c.req.valid("json"),
      precondition: toPrecondition(c.req.valid("header")),
    });
    return respondWritten(c, printEdge(object), false);
  });
  app.openapi(remove, async (c) => {
    await deleteEdge(contextOf(c, deps), {
      name: c.req.valid("param").edge,
      precondition: toPrecondition(c.req.valid("header")),
    });
    return c.body(null, 204);
  });
  return app;
}
