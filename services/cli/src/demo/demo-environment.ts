import { logFormat, logLevel } from "@helloway/runtime/environment-fields";
import { z } from "zod";

export const demoEnvironment = z.object({
  HELLOWAY_DATA_DIR: z.string().prefault(".helloway"),
  HELLOWAY_LOG_LEVEL: logLevel.prefault("info"),
  HELLOWAY_LOG_FORMAT: logFormat.optional(),
});
