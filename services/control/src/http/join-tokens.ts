import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { createJoinToken } from "../fleet/join-tokens.ts";
import { answers, authenticated, json, takesBody } from "./answers.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery } from "./page-query.ts";
import { idempotencyHeader, respondOnce } from "./respond-once.ts";
import { instant } from "./schemas/object-output.ts";
import { labels } from "./schemas/object-write.ts";
import { edgeName, objectName } from "./schemas/name.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const joinTokenCreate = z
  .strictObject({
    name: edgeName.nullish().openapi({ description: "The edge's name; null or absent: the agent chooses." }),
    labels: labels.default({}),
  })
  .openapi("JoinTokenCreate", { example: { name: "edge-1", labels: { site: "ams" } } });

const joinTokenIssued = z
  .object({
    token: z
      .string()
      .openapi({ description: "The secret: one use. It is shown here and never again.", example: "hwj_..." }),
    command: z.string().openapi({ description: "What to run on the edge." }),
    expiresAt: instant("When it stops working."),
  })
  .openapi("IssuedJoinToken");

const create = createRoute({
  operationId: "createJoinToken",
  tags: ["Edges"],
  summary: "Make a join token: what a new edge enrols with (administrators)",
  method: "post",
  path: "/api/v1/pools/{pool}/join-tokens",
  middleware: [jsonBody({ required: false })] as const,
  request: {
    params: z.object({ pool: objectName }),
    query: noQuery,
    headers: idempotencyHeader,
    body: { required: false, content: { "application/json": { schema: joinTokenCreate } } },
  },
  responses: answers({ 201: json("Made.", joinTokenIssued) }, ...authenticated, ...takesBody, 404, 409),
});

export function joinTokensApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(create, async (c) => {
    // Without a body the schema, and with it its defaults, was not asked.
    const { name, labels: given } = joinTokenCreate.parse(c.req.valid("json"));
    const { pool } = c.req.valid("param");
    return await respondOnce(c, deps, async (ctx) => {
      const { token, command, expiresAt } = await createJoinToken(ctx, {
        pool,
        labels: given,
        controlAddress: deps.grpcPublicAddress,
        ...(name ? { name } : {}),
      });
      return { status: 201, secret: true, body: { token, command, expiresAt: expiresAt.toISOString() } };
    });
  });
  return app;
}
