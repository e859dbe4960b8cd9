import type { RouteConfig, z } from "@hono/zod-openapi";
import { problemSchema, problemType } from "./problem.ts";

type Responses = RouteConfig["responses"];

/** Headers as they are documented. */
export type AnswerHeader = { description: string; schema: { type: "string" | "integer"; example?: string | number } };

const problems: Record<number, string> = {
  400: "Not readable: JSON that is malformed or ambiguous, or a request that is none of HTTP.",
  401: "No token, or one that is unknown, expired or revoked.",
  403: "The token's role does not allow this.",
  404: "There is no such object, or it is another team's.",
  409: "It contradicts what is there.",
  412: "The precondition does not hold: somebody else wrote.",
  413: "The body is over the limit.",
  415: "The body is not JSON.",
  421: "The Host is not one of ours.",
  422: "Understood and refused; `errors` names every place.",
  500: "Our fault; the log has it under `requestId`.",
  503: "The database is away; ask again after `Retry-After` seconds.",
};

const retryAfter: AnswerHeader = { description: "Seconds to wait.", schema: { type: "integer", example: 5 } };
const authenticate: AnswerHeader = {
  description: "How to say who you are (RFC 6750).",
  schema: { type: "string", example: 'Bearer realm="helloway"' },
};
export const etagHeader: AnswerHeader = {
  description: "The version, for If-Match.",
  schema: { type: "string", example: '"7"' },
};
export const locationHeader: AnswerHeader = { description: "Path of what was made.", schema: { type: "string" } };

/** Every operation may answer these. */
const always = [400, 421, 500] as const;

function problemAnswer(status: number): Responses[string] {
  const headers: Record<string, AnswerHeader> =
    status === 401 ? { "WWW-Authenticate": authenticate } : status === 503 ? { "Retry-After": retryAfter } : {};
  return {
    description: problems[status] ?? "Problem.",
    content: { [problemType]: { schema: problemSchema } },
    headers,
  };
}

/** All that an operation answers: what it says when it works, and which problems it may have. */
export function answers(works: Responses, ...statuses: number[]): Responses {
  return Object.fromEntries([
    ...Object.entries(works),
    ...[...statuses, ...always].map((status) => [status, problemAnswer(status)] as const),
  ]);
}

/** A body of JSON. */
export function json(
  description: string,
  schema: z.ZodType,
  headers: Record<string, AnswerHeader> = {},
): Responses[string] {
  return { description, content: { "application/json": { schema } }, headers };
}

/** Problems of everything behind a token. */
export const authenticated = [401, 403, 503];
/** Problems of what takes a body. */
export const takesBody = [400, 413, 415, 422];
