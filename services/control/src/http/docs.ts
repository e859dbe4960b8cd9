import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { answers } from "./answers.ts";
import { noQuery } from "./page-query.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const scriptPath = "/docs/scalar.js";

/** Everything comes from here, so that the page works offline. The script writes its own style elements. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Of Scalar: nothing from its servers, nothing sent to them. */
const configuration = JSON.stringify({
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  showDeveloperTools: "never",
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
}).replaceAll('"', "&quot;");

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Helloway API</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <noscript>This page needs JavaScript; the document it shows is <a href="/openapi.json">/openapi.json</a>.</noscript>
    <script id="api-reference" data-configuration="${configuration}"></script>
    <script src="${scriptPath}"></script>
  </body>
</html>
`;

const docs = createRoute({
  operationId: "getDocs",
  tags: ["Documentation"],
  summary: "This document, for people",
  method: "get",
  path: "/docs",
  security: [],
  request: { query: noQuery },
  responses: answers({ 200: { description: "A page.", content: { "text/html": { schema: z.string() } } } }, 422),
});

const script = createRoute({
  operationId: "getDocsScript",
  tags: ["Documentation"],
  summary: "What draws the page",
  method: "get",
  path: scriptPath,
  security: [],
  request: { query: noQuery },
  responses: answers(
    { 200: { description: "JavaScript.", content: { "text/javascript": { schema: z.string() } } } },
    422,
  ),
});

const openApi = createRoute({
  operationId: "getOpenApi",
  tags: ["Documentation"],
  summary: "This document",
  method: "get",
  path: "/openapi.json",
  security: [],
  request: { query: noQuery },
  responses: answers(
    { 200: { description: "OpenAPI 3.1.", content: { "application/json": { schema: z.object({}).loose() } } } },
    422,
  ),
});

/** The API's documentation. document is asked for when it is wanted, for it covers these routes too. */
export function docsApp(
  { docsScript }: Pick<HttpDependencies, "docsScript">,
  document: () => string,
): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(docs, (c) => c.html(page, 200, { "content-security-policy": policy, "cache-control": "no-cache" }));
  app.openapi(script, async (c) => {
    const bytes = await docsScript();
    const headers = { "content-type": "text/javascript; charset=utf-8", "cache-control": "max-age=3600" };
    return c.body(Uint8Array.from(bytes), 200, headers);
  });
  app.openapi(openApi, (c) => c.body(document(), 200, { "content-type": "application/json" }));
  return app;
}
