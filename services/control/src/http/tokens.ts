import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { createToken, listTokens, revokeToken } from "../fleet/tokens.ts";
import { answers, authenticated, json, locationHeader, takesBody } from "./answers.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery, pageOf, pageQuery, toPage } from "./page-query.ts";
import { idempotencyHeader, respondOnce } from "./respond-once.ts";
import { objectName } from "./schemas/name.ts";
import { printToken, tokenCreate, tokenIssued, tokenOutput } from "./schemas/token.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const path = "/api/v1/tokens";
const tags = ["Tokens"];

const list = createRoute({
  operationId: "listTokens",
  tags,
  summary: "The tokens; a team's owner sees the team's",
  method: "get",
  path,
  request: { query: pageQuery.extend({ team: objectName.optional().openapi({ description: "Only this team's." }) }) },
  responses: answers({ 200: json("A page.", pageOf(tokenOutput, "TokenPage")) }, ...authenticated, 404, 422),
});

const create = createRoute({
  operationId: "createToken",
  tags,
  summary: "Make a token; its secret is in this answer only",
  method: "post",
  path,
  middleware: [jsonBody()] as const,
  request: {
    query: noQuery,
    headers: idempotencyHeader,
    body: { required: true, content: { "application/json": { schema: tokenCreate } } },
  },
  responses: answers(
    { 201: json("Made.", tokenIssued, { Location: locationHeader }) },
    ...authenticated,
    ...takesBody,
    404,
    409,
  ),
});

const remove = createRoute({
  operationId: "revokeToken",
  tags,
  summary: "Revoke a token: it stops working at once",
  method: "delete",
  path: `${path}/{id}`,
  request: { params: z.object({ id: z.uuid().toLowerCase() }), query: noQuery },
  responses: answers({ 204: { description: "Revoked." } }, ...authenticated, 404, 409, 422),
});

export function tokensApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(list, async (c) => {
    const query = c.req.valid("query");
    const page = await listTokens(contextOf(c, deps), {
      ...toPage(query),
      ...(query.team === undefined ? {} : { team: query.team }),
    });
    return c.json({ items: page.items.map(printToken), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(create, async (c) => {
    const input = c.req.valid("json");
    return await respondOnce(c, deps, async (ctx) => {
      const { token, view } = await createToken(ctx, input);
      return { status: 201, secret: true, location: `${path}/${view.id}`, body: { token, ...printToken(view) } };
    });
  });
  app.openapi(remove, async (c) => {
    await revokeToken(contextOf(c, deps), { id: c.req.valid("param").id });
    return c.body(null, 204);
  });
  return app;
}
