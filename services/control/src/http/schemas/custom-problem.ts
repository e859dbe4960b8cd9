import type { z } from "@hono/zod-openapi";

/** Refuses a value inside a transform or check with a code of ours. */
export function refuse(
  ctx: Pick<z.RefinementCtx, "addIssue">,
  code: string,
  detail: string,
  path: PropertyKey[] = [],
): never {
  ctx.addIssue({ code: "custom", message: detail, params: { code }, path });
  return undefined as never;
}
