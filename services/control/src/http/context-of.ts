import type { Context as HonoContext } from "hono";
import type { Context } from "../fleet/context.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

/** Who asks what, for a verb of the fleet. */
export function contextOf(c: HonoContext<AppEnv>, deps: HttpDependencies): Context {
  return {
    db: deps.database.db,
    principal: c.get("principal"),
    requestId: c.get("requestId"),
    origin: "http",
    now: deps.now,
    sealing: deps.sealing,
  };
}
