import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { getRouteStats } from "../fleet/stats.ts";
import { answers, authenticated, json } from "./answers.ts";
import { contextOf } from "./context-of.ts";
import { objectName } from "./schemas/name.ts";
import { printStats, statsOutput, statsQuery } from "./schemas/stats.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const get = createRoute({
  operationId: "getRouteStats",
  tags: ["Stats"],
  summary: "What the connections of a route did; without `from`, `to` and `step` since it was made",
  method: "get",
  path: "/api/v1/stats/routes/{team}/{route}",
  request: { params: z.object({ team: objectName, route: objectName }), query: statsQuery },
  responses: answers({ 200: json("Exact counts.", statsOutput) }, ...authenticated, 404, 422),
});

export function statsApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(get, async (c) => {
    const stats = await getRouteStats(contextOf(c, deps), { ...c.req.valid("param"), ...c.req.valid("query") });
    return c.json(printStats(stats), 200);
  });
  return app;
}
