import { HTTPException } from "hono/http-exception";
import { expect, test } from "vitest";
import { errorCodes, HellowayError } from "../errors.ts";
import { toFailure } from "./to-problem.ts";
import type { ErrorKind } from "../errors.ts";

const kinds = Object.entries(errorCodes).filter(([kind]) => kind !== "internal");

test.each(kinds)("%s is %d, with its code, message and problems", (kind, status) => {
  const problems = [{ pointer: "/spec", code: "bad", detail: "Bad." }];
  expect(toFailure(new HellowayError(kind as ErrorKind, "the_code", "The message.", { problems }))).toMatchObject({
    status,
    code: "the_code",
    detail: "The message.",
    problems,
    logged: status >= 500,
  });
});

test("who is not authenticated is told how, and whether the token was the reason", () => {
  const headersOf = (code: string) => toFailure(new HellowayError("unauthenticated", code, "")).headers;
  expect(headersOf("token_missing")).toEqual({ "www-authenticate": 'Bearer realm="helloway"' });
  expect(headersOf("token_invalid")).toEqual({ "www-authenticate": 'Bearer realm="helloway", error="invalid_token"' });
});

test("a database that is away says when to ask again", () => {
  const away = (options: object) =>
    toFailure(new HellowayError("unavailable", "database_unavailable", "", options)).headers;
  expect(away({ retryAfterSeconds: 2 })).toEqual({ "retry-after": "2" });
  expect(away({})).toEqual({ "retry-after": "5" });
});

test("what the framework refuses keeps its status", () => {
  expect(toFailure(new HTTPException(400, { message: "m" }))).toMatchObject({ status: 400, code: "malformed" });
  expect(toFailure(new HTTPException(415, { message: "m" }))).toMatchObject({
    status: 415,
    code: "unsupported_media_type",
  });
});

test.each([
  new Error("secret detail"),
  new HellowayError("internal", "secret_code", "secret detail"),
  new HTTPException(500, { message: "secret detail" }),
  "secret detail",
  undefined,
])("%s is opaque outside", (error) => {
  const failure = toFailure(error);
  expect(failure).toMatchObject({ status: 500, code: "internal", logged: true });
  expect(JSON.stringify(failure)).not.toContain("secret");
});
