import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { deletePool, getPool, listPools, putPool } from "../fleet/pools.ts";
import { answers, authenticated, etagHeader, json, locationHeader, takesBody } from "./answers.ts";
import { deleteConditions, putConditions, toPrecondition } from "./conditions.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery, pageOf, pageQuery, toPage } from "./page-query.ts";
import { respondRead, respondWritten } from "./respond-object.ts";
import { objectName } from "./schemas/name.ts";
import { poolOrNameOutput, poolOutput, poolWrite, printPool, printPoolOrName } from "./schemas/pool.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const path = "/api/v1/pools/{pool}";
const tags = ["Pools"];
const params = z.object({ pool: objectName });

const list = createRoute({
  operationId: "listPools",
  tags,
  summary: "The pools; without a fleet role their names",
  method: "get",
  path: "/api/v1/pools",
  request: { query: pageQuery },
  responses: answers({ 200: json("A page.", pageOf(poolOrNameOutput, "PoolPage")) }, ...authenticated, 422),
});

const get = createRoute({
  operationId: "getPool",
  tags,
  summary: "One pool; without a fleet role its name",
  method: "get",
  path,
  request: { params, query: noQuery },
  responses: answers({ 200: json("The pool.", poolOrNameOutput, { ETag: etagHeader }) }, ...authenticated, 404, 422),
});

const put = createRoute({
  operationId: "putPool",
  tags,
  summary: "Make or change a pool (administrators)",
  method: "put",
  path,
  middleware: [jsonBody()] as const,
  request: {
    params,
    query: noQuery,
    headers: putConditions,
    body: { required: true, content: { "application/json": { schema: poolWrite } } },
  },
  responses: answers(
    {
      200: json("Changed, or as it was.", poolOutput, { ETag: etagHeader }),
      201: json("Made.", poolOutput, { ETag: etagHeader, Location: locationHeader }),
    },
    ...authenticated,
    ...takesBody,
    409,
    412,
  ),
});

const remove = createRoute({
  operationId: "deletePool",
  tags,
  summary: "Delete a pool without routes and edges (administrators)",
  method: "delete",
  path,
  request: { params, query: noQuery, headers: deleteConditions },
  responses: answers({ 204: { description: "Gone." } }, ...authenticated, 404, 409, 412, 422),
});

export function poolsApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(list, async (c) => {
    const page = await listPools(contextOf(c, deps), toPage(c.req.valid("query")));
    return c.json({ items: page.items.map(printPoolOrName), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(get, async (c) => {
    const pool = await getPool(contextOf(c, deps), { name: c.req.valid("param").pool });
    const body = printPoolOrName(pool);
    return "version" in body ? respondRead(c, body) : c.json(body, 200);
  });
  app.openapi(put, async (c) => {
    const { object, created } = await putPool(contextOf(c, deps), {
      name: c.req.valid("param").pool,
      put: c.req.valid("json"),
      precondition: toPrecondition(c.req.valid("header")),
    });
    return respondWritten(c, printPool(object), created);
  });
  app.openapi(remove, async (c) => {
    await deletePool(contextOf(c, deps), {
      name: c.req.valid("param").pool,
      precondition: toPrecondition(c.req.valid("header")),
    });
    return c.body(null, 204);
  });
  return app;
}
