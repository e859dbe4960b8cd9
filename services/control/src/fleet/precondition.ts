import { HellowayError } from "../errors.ts";

/** What a write is allowed to meet (RFC 9110, If-Match and If-None-Match); versions are the ETags. */
export interface Precondition {
  /** "*": any version, but there must be one. */
  ifMatch?: number | "*" | readonly number[];
  /** There must be none. */
  ifNoneMatchAny?: boolean;
}

/** @param current what is stored; undefined when there is none. Throws `precondition_failed`. */
export function checkPrecondition(current: { version: number } | undefined, precondition: Precondition): void {
  const { ifMatch, ifNoneMatchAny } = precondition;
  if (ifNoneMatchAny === true && current !== undefined) {
    throw new HellowayError(
      "precondition_failed",
      "already_exists",
      "It exists already. Leave If-None-Match out to change it.",
    );
  }
  if (ifMatch === undefined) return;
  if (current === undefined) {
    throw new HellowayError(
      "precondition_failed",
      "does_not_exist",
      "It does not exist. Leave If-Match out to make it.",
    );
  }
  if (ifMatch === "*") return;
  const wanted = typeof ifMatch === "number" ? [ifMatch] : ifMatch;
  if (!wanted.includes(current.version)) {
    throw new HellowayError(
      "precondition_failed",
      "version_differs",
      `It is at version ${current.version}, not ${wanted.join(" or ") || "any that was given"}. Read it again and repeat the change.`,
    );
  }
}
