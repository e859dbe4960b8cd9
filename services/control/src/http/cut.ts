import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { awaitCut, cutRoute } from "../fleet/cut-route.ts";
import { answers, authenticated, json, takesBody } from "./answers.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { doOnce, idempotencyHeader } from "./respond-once.ts";
import { cutOutput, cutQuery, printCut } from "./schemas/cut.ts";
import { objectName } from "./schemas/name.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const nothing = z.strictObject({}).openapi("CutRequest", { example: {} });

const cut = createRoute({
  operationId: "cutRoute",
  tags: ["Routes"],
  summary: "End the route's established connections at every connected edge, and say how many",
  method: "post",
  path: "/api/v1/teams/{team}/routes/{route}/cut",
  middleware: [jsonBody({ required: false })] as const,
  request: {
    params: z.object({ team: objectName, route: objectName }),
    query: cutQuery,
    headers: idempotencyHeader,
    body: { required: false, content: { "application/json": { schema: nothing } } },
  },
  responses: answers(
    { 200: json("Asked, and answered as far as it says.", cutOutput) },
    ...authenticated,
    ...takesBody,
    404,
    409,
  ),
});

export function cutApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(cut, async (c) => {
    const { team, route } = c.req.valid("param");
    const { waitMs } = c.req.valid("query");
    // Edges hear of it with the commit, so nobody can wait inside. A repeat with the same key looks at the same cut again.
    const asked = await doOnce(c, deps, (ctx) => cutRoute(ctx, { team, name: route }));
    const status = await awaitCut(contextOf(c, deps), { cut: asked, waitMs, signal: c.req.raw.signal });
    return c.json(printCut(status), 200);
  });
  return app;
}
