import { z } from "@hono/zod-openapi";

/** "true" or "false" in the query; absent is false. */
export const queryFlag = (about: string) =>
  z
    .enum(["true", "false"])
    .optional()
    .transform((given) => given === "true")
    .openapi({ type: "boolean", enum: [true, false], default: false, description: about });
