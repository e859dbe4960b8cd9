import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";

// What both RFC 3339 and the database can write: an offset may reach beyond, into the year 0 or 10000.
const earliest = Date.parse("0001-01-01T00:00:00Z");
const latest = Date.parse("9999-12-31T23:59:59.999Z");

/** An instant as people write it, as a Date. */
export const instantInput = z.iso
  .datetime({ offset: true, error: "An RFC 3339 instant." })
  .transform((text, ctx) => {
    const at = new Date(text);
    return at.getTime() >= earliest && at.getTime() <= latest
      ? at
      : refuse(ctx, "out_of_range", "From the year 1 to the year 9999 in UTC.");
  })
  .openapi({ type: "string", format: "date-time" });
