import type { Context } from "hono";
import { problemType } from "./problem.ts";
import type { ProblemDocument } from "./problem.ts";
import type { AppEnv } from "./app-env.ts";
import type { Failure } from "./to-problem.ts";

/** RFC 9110 names of the statuses we answer with. */
const titles: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export const titleOf = (status: number): string => titles[status] ?? "Error";

/** More than anybody repairs at once. Without bounds a body of 1 MiB has an answer of 50 MiB. */
const problemsMax = 100;
const pointerLengthMax = 512;

export function respondProblem(c: Context<AppEnv>, failure: Omit<Failure, "logged">): Response {
  const body: ProblemDocument = {
    type: `urn:helloway:problem:${failure.code}`,
    title: titleOf(failure.status),
    status: failure.status,
    detail: failure.detail,
    instance: c.req.path,
    code: failure.code,
    requestId: c.get("requestId"),
    errors: failure.problems.slice(0, problemsMax).map(({ pointer, code, detail }) => ({
      pointer: pointer.length > pointerLengthMax ? `${pointer.slice(0, pointerLengthMax)}...` : pointer,
      code,
      detail,
    })),
  };
  return new Response(JSON.stringify(body), {
    status: failure.status,
    headers: { "content-type": problemType, "cache-control": "no-store", ...failure.headers },
  });
}
