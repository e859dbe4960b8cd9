import { problemType } from "./problem.ts";
import { titleOf } from "./respond-problem.ts";
import type { ProblemDocument } from "./problem.ts";

/** What is wrong with bytes that are no request the API could look at. */
const details: Record<number, { code: string; detail: string }> = {
  400: {
    code: "malformed_request",
    detail: "This is no HTTP request that can be read: its Host, its path or its framing.",
  },
  408: { code: "request_timeout", detail: "The request did not arrive in time. Send it again, faster." },
  417: { code: "expectation_failed", detail: "The only Expect that is met is 100-continue." },
  431: { code: "headers_too_large", detail: "The header lines are too long. Send fewer or shorter ones." },
};

/** The problem of a request that never becomes one, as everything else that went wrong is told. */
export function protocolProblem(status: number): { body: string; headers: Record<string, string> } {
  const { code, detail } = details[status] ?? { code: "malformed_request", detail: "This is no HTTP request." };
  const problem: ProblemDocument = {
    type: `urn:helloway:problem:${code}`,
    title: titleOf(status),
    status,
    detail,
    instance: "",
    code,
    requestId: crypto.randomUUID(),
    errors: [],
  };
  const body = JSON.stringify(problem);
  return {
    body,
    headers: {
      "content-type": problemType,
      "content-length": String(Buffer.byteLength(body)),
      "cache-control": "no-store",
      connection: "close",
    },
  };
}
