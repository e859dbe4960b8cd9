import type { Context } from "hono";
import { toETag } from "./conditions.ts";
import type { AppEnv } from "./app-env.ts";

interface Versioned {
  version: number;
}

/** Of a GET: the object and its ETag. */
export function respondRead(c: Context<AppEnv>, body: Versioned): Response {
  c.header("etag", toETag(body.version));
  return c.json(body, 200);
}

/** Of a PUT: the object as it is now; 201 and where when it is new. */
export function respondWritten(c: Context<AppEnv>, body: Versioned, created: boolean): Response {
  c.header("etag", toETag(body.version));
  if (created) c.header("location", c.req.path);
  return c.json(body, created ? 201 : 200);
}
