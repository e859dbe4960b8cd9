import type { Principal } from "../fleet/context.ts";

/** What middleware leaves for the handlers of one request. */
export interface AppEnv {
  Variables: {
    requestId: string;
    /** Set for everything under /api/v1. */
    principal: Principal;
    /** The body as received, where the operation takes one. */
    bodyText: string;
  };
}
