import { createMiddleware } from "hono/factory";
import type { AppEnv } from "./app-env.ts";

/** What a caller may send: it ends up in logs and audit rows. */
const acceptable = /^[A-Za-z0-9_.:-]{1,64}$/;

/** Keeps the caller's X-Request-Id when it is harmless, else makes one; it is in the answer either way. */
export const requestId = createMiddleware<AppEnv>(async (c, next) => {
  const given = c.req.header("x-request-id");
  const id = given !== undefined && acceptable.test(given) ? given : crypto.randomUUID();
  c.set("requestId", id);
  await next();
  c.header("x-request-id", id);
});
