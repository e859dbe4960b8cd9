import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { answers, authenticated, json } from "./answers.ts";
import { noQuery } from "./page-query.ts";
import type { AppEnv } from "./app-env.ts";

const session = z
  .object({
    name: z.string().openapi({ description: "Name of the token.", example: "payments-ci" }),
    role: z.string().openapi({ example: "editor" }),
    team: z.string().nullable().openapi({ description: "null: the whole fleet.", example: "payments" }),
  })
  .openapi("Session");

const get = createRoute({
  operationId: "getSession",
  tags: ["Session"],
  summary: "Who am I",
  method: "get",
  path: "/api/v1/session",
  request: { query: noQuery },
  responses: answers({ 200: json("Who the token stands for.", session) }, ...authenticated, 422),
});

export function sessionApp(): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(get, (c) => {
    const { name, role, team } = c.get("principal");
    return c.json({ name, role, team }, 200);
  });
  return app;
}
