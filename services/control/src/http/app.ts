import { OpenAPIHono } from "@hono/zod-openapi";
import { bearerAuthentication } from "./bearer.ts";
import { cutApp } from "./cut.ts";
import { docsApp } from "./docs.ts";
import { domainsApp } from "./domains.ts";
import { edgesApp } from "./edges.ts";
import { healthApp } from "./health.ts";
import { hostCheck } from "./host-check.ts";
import { joinTokensApp } from "./join-tokens.ts";
import { allowedMethods } from "./method-not-allowed.ts";
import { openApiDocument } from "./openapi-document.ts";
import { poolsApp } from "./pools.ts";
import { requestId } from "./request-id.ts";
import { respondProblem } from "./respond-problem.ts";
import { routesApp } from "./routes.ts";
import { securityHeaders } from "./security-headers.ts";
import { sessionApp } from "./session.ts";
import { statsApp } from "./stats.ts";
import { teamsApp } from "./teams.ts";
import { toFailure } from "./to-problem.ts";
import { tokensApp } from "./tokens.ts";
import { validationHook } from "./validation-hook.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";
import { failureFields } from "../failure-fields.ts";

export type { HttpDependencies } from "./dependencies.ts";

/**
 * The HTTP API as `app.fetch(request): Promise<Response>`. It starts no timer or listener and keeps nothing between requests, so
 * it also runs as a function beside a hosted Postgres.
 */
export function createApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>({ defaultHook: validationHook });
  app.use(requestId, securityHeaders, hostCheck(deps));
  app.use("/api/v1/*", bearerAuthentication(deps));

  for (const noun of [
    healthApp(deps),
    teamsApp(deps),
    tokensApp(deps),
    poolsApp(deps),
    joinTokensApp(deps),
    edgesApp(deps),
    domainsApp(deps),
    routesApp(deps),
    cutApp(deps),
    statsApp(deps),
    sessionApp(),
    docsApp(deps, () => document),
  ]) {
    app.route("/", noun);
  }
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "A token of `POST /api/v1/tokens`; the first one is in the control plane's data directory.",
  });
  const document = JSON.stringify(openApiDocument(app, deps.publicUrl));

  app.notFound((c) => {
    const methods = allowedMethods(app.routes, c.req.path);
    const about = { problems: [], headers: {} };
    return methods.length === 0
      ? respondProblem(c, {
          ...about,
          status: 404,
          code: "no_such_path",
          detail: "Nothing is served under this path; see /openapi.json.",
        })
      : respondProblem(c, {
          ...about,
          status: 405,
          code: "method_not_allowed",
          detail: `This path takes ${methods.join(", ")}.`,
          headers: { allow: methods.join(", ") },
        });
  });
  app.onError((error, c) => {
    const failure = toFailure(error);
    if (failure.logged) {
      deps.log.error(
        { ...failureFields(error), requestId: c.get("requestId"), method: c.req.method, path: c.req.path },
        "request failed",
      );
    }
    return respondProblem(c, failure);
  });
  return app;
}
