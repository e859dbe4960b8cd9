import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { answers, json } from "./answers.ts";
import { noQuery } from "./page-query.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const tags = ["Health"];
const alive = z.object({ status: z.literal("live") });
const ready = z.object({ status: z.literal("ready") });

const livez = createRoute({
  operationId: "getLivez",
  tags,
  summary: "Whether the process answers",
  method: "get",
  path: "/livez",
  security: [],
  request: { query: noQuery },
  responses: answers({ 200: json("It does.", alive) }, 422),
});

const readyz = createRoute({
  operationId: "getReadyz",
  tags,
  summary: "Whether the database answers too",
  method: "get",
  path: "/readyz",
  security: [],
  request: { query: noQuery },
  responses: answers({ 200: json("It does.", ready) }, 422, 503),
});

export function healthApp({ database }: Pick<HttpDependencies, "database">): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(livez, (c) => c.json({ status: "live" as const }, 200));
  app.openapi(readyz, async (c) => {
    await database.ping();
    return c.json({ status: "ready" as const }, 200);
  });
  return app;
}
