import { HellowayError } from "../errors.ts";

export interface Page<T> {
  items: T[];
  /** Opaque; null: this is the last page. */
  nextCursor: string | null;
}

export interface PageInput {
  /** Items at most. */
  limit: number;
  /** nextCursor of the page before; null: the first page. */
  cursor: string | null;
}

/** The key after which the page begins, null for the first. Throws `bad_cursor` for what toPage did not make. */
export function readCursor(cursor: string | null, parts: number): string[] | null {
  if (cursor === null) return null;
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (
      Array.isArray(key) &&
      key.length === parts &&
      key.every((part) => typeof part === "string" && !part.includes("\0"))
    ) {
      return key as string[];
    }
  } catch {
    // Not JSON: refused below like everything else.
  }
  throw new HellowayError(
    "invalid",
    "bad_cursor",
    "The cursor is none of ours. Take nextCursor of the page before, unchanged.",
    {
      problems: [{ pointer: "?cursor", code: "bad_cursor", detail: "Take nextCursor of the page before, unchanged." }],
    },
  );
}

/** @param rows one more than limit when there are more. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => string[],
  toItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined ? Buffer.from(JSON.stringify(keyOf(last))).toString("base64url") : null;
  return { items: shown.map(toItem), nextCursor };
}
