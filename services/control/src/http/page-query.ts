import { z } from "@hono/zod-openapi";
import { refuse } from "./schemas/custom-problem.ts";
import { later } from "./schemas/later.ts";

const limitMax = 500;
const limitDefault = 100;

const limit = z
  .string()
  .transform((text, ctx) => {
    const value = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0;
    return value >= 1 && value <= limitMax ? value : refuse(ctx, "out_of_range", `A number from 1 to ${limitMax}.`);
  })
  .optional()
  .transform((given) => given ?? limitDefault)
  .openapi({ type: "integer", minimum: 1, maximum: limitMax, default: limitDefault, description: "Items at most." });

const cursor = z
  .string()
  .optional()
  .transform((given) => given ?? null)
  .openapi({ type: "string", description: "`nextCursor` of the page before." });

/** What every list takes. */
export const pageQuery = z.strictObject({
  limit,
  cursor,
  filter: later("`key:value` terms that must all hold."),
  sort: later("Another order."),
});

/** For operations without parameters in the query: there too an unknown one is an error. */
export const noQuery = z.strictObject({});

/** A page of items: more follow while nextCursor is not null. */
export const pageOf = <S extends z.ZodType>(item: S, refId: string) =>
  z
    .object({
      items: z.array(item),
      nextCursor: z.string().nullable().openapi({ description: "null: this is the last page." }),
    })
    .openapi(refId);

/** The part of the query that the fleet's lists take. */
export const toPage = ({ limit: max, cursor: after }: z.output<typeof pageQuery>) => ({ limit: max, cursor: after });
