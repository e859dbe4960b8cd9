import type { ZodError } from "zod";
import type { ValidationTargets } from "hono";
import { HellowayError } from "../errors.ts";
import { toPointer } from "./pointer.ts";
import { toProblems } from "./zod-problems.ts";
import type { Problem } from "../errors.ts";

/** How a problem names its place, by the part of the request that a schema looked at. */
function locator(target: keyof ValidationTargets): (path: readonly PropertyKey[]) => string {
  switch (target) {
    case "query":
      return ([name]) => `?${String(name)}`;
    case "param":
      return ([name]) => `{${String(name)}}`;
    case "header":
      return ([name]) => `${String(name)}:`;
    default:
      return toPointer;
  }
}

interface Validated {
  target: keyof ValidationTargets;
  success: boolean;
  data?: unknown;
  error?: ZodError;
}

/** Turns what a schema refused into one error with every place. A name that nothing can have is simply not found. */
export function validationHook(result: Validated, c: { req: { method: string } }): void {
  if (result.success || result.error === undefined) return;
  if (result.target === "param" && c.req.method !== "PUT") {
    throw new HellowayError("not_found", "not_found", "There is no such object.");
  }
  throw invalidInput(toProblems(result.error, result.data, locator(result.target)));
}

function invalidInput(problems: Problem[]): HellowayError {
  const unsupported = problems.every((problem) => problem.code === "unsupported");
  const [only] = problems;
  return new HellowayError(
    "invalid",
    unsupported ? "unsupported" : "invalid",
    problems.length === 1 && only !== undefined
      ? `${placeOf(only)}: ${only.detail}`
      : `${problems.length} places of the input are wrong; errors has them.`,
    { problems },
  );
}

/** A pointer as the beginning of a sentence; it is as long as the caller's keys are. */
function placeOf({ pointer }: Problem): string {
  const place = pointer.replace(/:$/, "");
  if (place === "") return "The body";
  return place.length > 200 ? `${place.slice(0, 200)}...` : place;
}
