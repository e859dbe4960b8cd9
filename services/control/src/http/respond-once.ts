import { z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { once } from "../fleet/idempotency.ts";
import { contextOf } from "./context-of.ts";
import type { Answer } from "../fleet/idempotency.ts";
import type { Context } from "../fleet/context.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

/** Header of every POST that makes or changes something. */
export const idempotencyHeader = z.object({
  "idempotency-key": z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, "1 to 255 printable ASCII characters without spaces.")
    .optional()
    .openapi({
      description:
        "Makes it safe to send the same request again: for a day, a repeat gets the first answer instead of doing it twice.",
      example: "1d2f6c0e-6c53-4c5f-9d1c-4a1d1b0f5a11",
    }),
});

/** An answer that can be given again. */
export interface PostAnswer {
  status: 200 | 201;
  body: object;
  location?: string;
  etag?: string;
  /** Whether the body holds something that is shown once. */
  secret: boolean;
}

/**
 * Does something once for each Idempotency-Key when there is one; what it made of it, kept as JSON, also for a repeat. For a POST whose
 * answer is yet to come when its write is committed.
 */
export async function doOnce<T extends object>(
  c: HonoContext<AppEnv>,
  deps: HttpDependencies,
  act: (ctx: Context) => Promise<T>,
): Promise<T> {
  const answer = await answerOnce(c, deps, async (ctx) => ({
    status: 200,
    secret: false,
    response: JSON.stringify(await act(ctx)),
  }));
  return JSON.parse(answer.response) as T;
}

/** Answers a POST, once for each Idempotency-Key when there is one. */
export async function respondOnce(
  c: HonoContext<AppEnv>,
  deps: HttpDependencies,
  act: (ctx: Context) => Promise<PostAnswer>,
): Promise<Response> {
  const answer = await answerOnce(c, deps, async (ctx) => {
    const { status, secret, body, location, etag } = await act(ctx);
    return { status, secret, response: JSON.stringify({ body, location, etag }) };
  });
  const { body, location, etag } = JSON.parse(answer.response) as Pick<PostAnswer, "body" | "location" | "etag">;
  if (location !== undefined) c.header("location", location);
  if (etag !== undefined) c.header("etag", etag);
  return c.json(body, answer.status === 201 ? 201 : 200);
}

async function answerOnce(
  c: HonoContext<AppEnv>,
  deps: HttpDependencies,
  act: (ctx: Context) => Promise<Answer>,
): Promise<Answer> {
  const ctx = contextOf(c, deps);
  const key = c.req.header("idempotency-key");
  if (key === undefined) return await act(ctx);
  return await once(ctx, { key, method: c.req.method, path: c.req.path, body: c.get("bodyText") }, act);
}
