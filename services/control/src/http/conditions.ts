import { z } from "@hono/zod-openapi";
import { refuse } from "./schemas/custom-problem.ts";
import type { Precondition } from "../fleet/precondition.ts";

// RFC 9110 section 13. The ETag of an object is its version in quotes and always strong. It guards writes only: an object's status
// changes without its version, so a read is never answered with 304.

/** Versions named by a list of entity tags, or "*". If-Match compares strongly: a weak tag, or one that is no version, matches nothing. */
type Tags = "*" | { versions: number[] };

const list = /^\s*(W\/)?"[\x21\x23-\x7e]*"\s*(,\s*(W\/)?"[\x21\x23-\x7e]*"\s*)*$/;

function parseTags(text: string): Tags | null {
  if (text.trim() === "*") return "*";
  if (!list.test(text)) return null;
  const tags: Tags = { versions: [] };
  for (const match of text.matchAll(/(W\/)?"([1-9]\d{0,15})"/g)) {
    if (match[1] === undefined) tags.versions.push(Number(match[2]));
  }
  return tags;
}

const tagsHeader = z.string().transform((text, ctx) => {
  return parseTags(text) ?? refuse(ctx, "bad_etag", 'Entity tags are in quotes, for example "7".');
});

const ifMatch = tagsHeader.optional().openapi({
  type: "string",
  description: "Only if the object's ETag is one of these (`*`: if it exists); else 412.",
  example: '"7"',
});

/** Headers of a PUT. */
export const putConditions = z.object({
  "if-match": ifMatch,
  "if-none-match": z
    .string()
    .refine((text) => text.trim() === "*", {
      error: "Only * is supported on a write.",
      params: { code: "unsupported" },
    })
    .optional()
    .openapi({ description: "`*`: only if there is no such object yet; else 412.", example: "*" }),
});

/** Headers of a DELETE. */
export const deleteConditions = z.object({ "if-match": ifMatch });

/** What a write is allowed to meet. */
export function toPrecondition(
  headers: z.output<typeof deleteConditions> & { "if-none-match"?: string | undefined },
): Precondition {
  const given = headers["if-match"];
  return {
    ...(given === undefined ? {} : { ifMatch: given === "*" ? "*" : given.versions }),
    ...(headers["if-none-match"] === undefined ? {} : { ifNoneMatchAny: true }),
  };
}

export const toETag = (version: number): string => `"${version}"`;
