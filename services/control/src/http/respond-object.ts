import type { Context } from "hono";
import { isNotModified, toETag } from "./conditions.ts";
import type { getConditions } from "./conditions.ts";
import type { z } from "@hono/zod-openapi";
import type { AppEnv } from "./app-env.ts";

interface Versioned {
  version: number;
}

/** Of a GET: the object, or 304 for who has it. */
export function respondRead(c: Context<AppEnv>, body: Versioned, conditions: z.output<typeof getConditions>): Response {
  c.header("etag", toETag(body.version));
  return isNotModified(conditions, body.version) ? c.body(null, 304) : c.json(body, 200);
}

/** Of a PUT: the object as it is now; 201 and where when it is new. */
export function respondWritten(c: Context<AppEnv>, body: Versioned, created: boolean): Response {
  c.header("etag", toETag(body.version));
  if (created) c.header("location", c.req.path);
  return c.json(body, created ? 201 : 200);
}
