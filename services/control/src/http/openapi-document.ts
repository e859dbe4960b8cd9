import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./app-env.ts";

const about = `Routes TLS by the name in the ClientHello, without terminating it.

**Objects** are \`{name, team?, labels, description, managedBy, spec, status, version, ...}\`. A \`PUT\` is the whole object: what it
leaves out gets its default. Its \`ETag\` is the version: send it as \`If-Match\` to change only what you have seen, or
\`If-None-Match: *\` to create only.

**Lists** answer \`{items, nextCursor}\`; pass \`nextCursor\` as \`cursor\` until it is null.

**Problems** are \`application/problem+json\` (RFC 9457) with a stable \`code\`, the \`requestId\`, and in \`errors\` every place of the
input that is wrong. Unknown fields and parameters are errors. A field that is described as not supported yet is refused with
\`unsupported\`, never stored and ignored.

**Durations** are like \`5s\`, \`1m30s\`, \`8760h\`, and answered in their shortest exact form.`;

const tags = [
  { name: "Routes", description: "Hostnames to backends, with their policy." },
  { name: "Domains", description: "A team's claims to names." },
  { name: "Teams", description: "Tenants: they own domains, routes and tokens." },
  { name: "Tokens", description: "Who may call this API." },
  { name: "Pools", description: "Sets of edges that serve the same routes." },
  { name: "Edges", description: "The agents, one on each public address." },
  { name: "Stats", description: "What connections did." },
  { name: "Session", description: "Who am I." },
  { name: "Health", description: "For probes." },
  { name: "Documentation", description: "What you are reading." },
];

/** The document of everything that an app has registered. */
export function openApiDocument(app: OpenAPIHono<AppEnv>, publicUrl: string | null): object {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Helloway",
      version: "1",
      description: about,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    servers: [{ url: publicUrl === null ? "/" : new URL("/", publicUrl).href }],
    security: [{ bearer: [] }],
    tags,
  });
}
