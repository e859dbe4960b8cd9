// What a platform is pointed at.
import { createHandler } from "./create-handler.ts";

export const { fetch } = createHandler(process.env);
