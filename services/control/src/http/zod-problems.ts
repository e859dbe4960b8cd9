import type { z } from "@hono/zod-openapi";
import { toPointer } from "./pointer.ts";
import type { Problem } from "../errors.ts";

type Issue = z.core.$ZodIssue;

/** What custom checks put beside their message. */
interface CustomParams {
  code?: string;
}

/** Says where in the request a path of the input lies. */
export type Locate = (path: readonly PropertyKey[]) => string;

/** Every place of the input that a schema refused, and what was there. */
export function toProblems(error: z.core.$ZodError, input: unknown, locate: Locate = toPointer): Problem[] {
  return error.issues.flatMap((issue) => toProblem(issue, input, locate));
}

function toProblem(issue: Issue, input: unknown, locate: Locate): Problem[] {
  const pointer = locate(issue.path);
  const found = valueAt(input, issue.path);
  const one = (code: string, detail: string): Problem[] => [{ pointer, code, detail }];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        pointer: locate([...issue.path, key]),
        code: "unknown_field",
        detail: "There is no such field or parameter.",
      }));
    case "invalid_type":
      return found === undefined
        ? one("required", "This is required.")
        : one("wrong_type", `Expected ${named(issue.expected)}, got ${named(typeOf(found))}.`);
    case "invalid_value":
      return found === undefined
        ? one("required", "This is required.")
        : one("not_allowed", `One of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}.`);
    case "too_big":
      return one("too_big", `At most ${issue.maximum}${unit(issue.origin, issue.maximum)}.`);
    case "too_small":
      return one("too_small", `At least ${issue.minimum}${unit(issue.origin, issue.minimum)}.`);
    case "invalid_format":
      return one("bad_format", issue.message);
    case "invalid_key":
    case "invalid_element":
      return issue.issues.flatMap((inner) =>
        toProblem({ ...inner, path: [...issue.path, ...inner.path] }, input, locate),
      );
    case "invalid_union":
      return one("wrong_type", unionDetail(issue));
    case "not_multiple_of":
      return one("not_allowed", `A multiple of ${issue.divisor}.`);
    case "custom":
      return one((issue.params as CustomParams | undefined)?.code ?? "invalid", issue.message);
  }
}

function unionDetail(issue: z.core.$ZodIssueInvalidUnion): string {
  const expected = issue.errors.flatMap((branch) =>
    branch.flatMap((inner) =>
      inner.code === "invalid_type" && inner.path.length === 0 ? [named(inner.expected)] : [],
    ),
  );
  return expected.length === 0 ? issue.message : `Expected ${[...new Set(expected)].join(" or ")}.`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined),
    input,
  );
}

function typeOf(input: unknown): string {
  if (input === null) return "null";
  // 1e999 is JSON and no number of ours.
  if (input === Infinity || input === -Infinity) return "one that is too large";
  return Array.isArray(input) ? "array" : typeof input;
}

const articles: Record<string, string> = {
  string: "a string",
  number: "a number",
  int: "an integer",
  boolean: "a boolean",
  object: "an object",
  record: "an object",
  array: "an array",
  null: "null",
};

function named(type: string): string {
  return articles[type] ?? type;
}

function unit(origin: string, bound: number | bigint): string {
  const plural = Number(bound) === 1 ? "" : "s";
  switch (origin) {
    case "string":
      return ` character${plural}`;
    case "array":
      return ` item${plural}`;
    default:
      return "";
  }
}
