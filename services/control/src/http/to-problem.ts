import { HTTPException } from "hono/http-exception";
import { errorCodes, HellowayError } from "../errors.ts";
import type { Problem } from "../errors.ts";

/** What a failure looks like outside. */
export interface Failure {
  status: number;
  code: string;
  detail: string;
  problems: readonly Problem[];
  headers: Record<string, string>;
  /** Ours and not the caller's: the log gets all of it. */
  logged: boolean;
}

/** What to wait before asking again when the failure does not say: databases are back or not within seconds. */
const retryAfterSecondsDefault = 5;

/** The one total mapper of this transport. */
export function toFailure(error: unknown): Failure {
  if (error instanceof HellowayError && error.kind !== "internal") {
    return failure(errorCodes[error.kind], error.code, error.message, error.problems, headersOf(error));
  }
  if (error instanceof HTTPException && error.status < 500) {
    const code = error.status === 415 ? "unsupported_media_type" : "malformed";
    return failure(error.status, code, error.message, [], {});
  }
  return failure(500, "internal", "Something is wrong on our side. Tell an administrator the requestId.", [], {});
}

function failure(
  status: number,
  code: string,
  detail: string,
  problems: readonly Problem[],
  headers: Record<string, string>,
): Failure {
  return { status, code, detail, problems, headers, logged: status >= 500 };
}

function headersOf(error: HellowayError): Record<string, string> {
  switch (error.kind) {
    case "unauthenticated":
      return {
        "www-authenticate":
          error.code === "token_missing" ? 'Bearer realm="helloway"' : 'Bearer realm="helloway", error="invalid_token"',
      };
    case "unavailable":
    case "rate_limited":
      return { "retry-after": String(error.retryAfterSeconds ?? retryAfterSecondsDefault) };
    case "too_large":
      // The rest of the body is never read, so the connection cannot carry another request.
      return { connection: "close" };
    default:
      return {};
  }
}
