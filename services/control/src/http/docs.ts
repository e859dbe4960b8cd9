import { OpenAPIHono } from "@hono/zod-openapi";
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

/** The API's documentation, for people. */
export function docsApp({ docsScript }: Pick<HttpDependencies, "docsScript">): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.get("/docs", (c) => c.html(page, 200, { "content-security-policy": policy, "cache-control": "no-cache" }));
  app.get(scriptPath, async () => {
    const script = await docsScript();
    return new Response(Buffer.from(script.buffer, script.byteOffset, script.byteLength), {
      headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "max-age=3600" },
    });
  });
  return app;
}
