import { createMiddleware } from "hono/factory";
import { HellowayError } from "../errors.ts";
import { authenticate } from "../fleet/tokens.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

/** RFC 6750 section 2.1. */
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** Every request under /api/v1 says who it is with a token. */
export const bearerAuthentication = ({ database, now }: Pick<HttpDependencies, "database" | "now">) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const header = c.req.header("authorization");
    if (header === undefined) {
      throw new HellowayError("unauthenticated", "token_missing", "Send `Authorization: Bearer <token>`.");
    }
    const token = bearer.exec(header)?.[1];
    const principal = token === undefined ? null : await authenticate({ db: database.db, now }, token);
    if (principal === null) {
      throw new HellowayError(
        "unauthenticated",
        "token_invalid",
        "This token is unknown, expired or revoked. Ask an administrator or your team's owner for a new one.",
      );
    }
    c.set("principal", principal);
    await next();
  });
