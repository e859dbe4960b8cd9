import { z } from "@hono/zod-openapi";
import { refuse } from "./schemas/custom-problem.ts";
import type { Precondition } from "../fleet/precondition.ts";

// RFC 9110 section 13. The ETag of an object is its version in quotes and always strong.

/** Versions named by a list of entity tags, or "*". A tag that is no version of ours matches nothing. */
type Tags = "*" | { versions: number[]; weakVersions: number[] };

const list = /^\s*(W\/)?"[\x21\x23-\x7e]*"\s*(,\s*(W\/)?"[\x21\x23-\x7e]*"\s*)*$/;

function parseTags(text: string): Tags | null {
  if (text.trim() === "*") return "*";
  if (!list.test(text)) return null;
  const tags: Tags = { versions: [], weakVersions: [] };
  for (const match of text.matchAll(/(W\/)?"([1-9]\d{0,15})"/g)) {
    (match[1] === undefined ? tags.versions : tags.weakVersions).push(Number(match[2]));
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

/** Headers of a GET of one object. */
export const getConditions = z.object({
  "if-none-match": tagsHeader
    .optional()
    .openapi({ type: "string", description: "304 while the object's ETag is one of these.", example: '"7"' }),
});

/** What a write is allowed to meet. If-Match compares strongly, so a weak tag never matches. */
export function toPrecondition(
  headers: z.output<typeof deleteConditions> & { "if-none-match"?: string | undefined },
): Precondition {
  const given = headers["if-match"];
  return {
    ...(given === undefined ? {} : { ifMatch: given === "*" ? "*" : given.versions }),
    ...(headers["if-none-match"] === undefined ? {} : { ifNoneMatchAny: true }),
  };
}

/** Whether the caller already has this version (weak comparison). */
export function isNotModified(headers: z.output<typeof getConditions>, version: number): boolean {
  const given = headers["if-none-match"];
  if (given === undefined) return false;
  return given === "*" || given.versions.includes(version) || given.weakVersions.includes(version);
}

export const toETag = (version: number): string => `"${version}"`;
