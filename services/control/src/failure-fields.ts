import { HellowayError } from "./errors.ts";

/**
 * What a log line says of a failure that is tried again. Of a dependency that is away its words are all there is to know; whatever else
 * failed is logged whole.
 */
export function failureFields(error: unknown): { reason: string } | { err: unknown } {
  if (!(error instanceof HellowayError) || error.kind !== "unavailable") return { err: error };
  const cause = rootMessage(error.cause);
  return { reason: cause === "" ? error.message : `${error.message} (${cause})` };
}

/** Of the first of the errors below each other: the ones above it repeat its words, a statement and its parameters among them. */
function rootMessage(error: unknown): string {
  let link = error;
  for (let depth = 0; depth < 8 && link instanceof Error && link.cause instanceof Error; depth++) link = link.cause;
  if (link instanceof AggregateError && link.message === "") link = link.errors[0];
  return link instanceof Error ? link.message : "";
}
