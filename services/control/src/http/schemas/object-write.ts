import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";

const labelKey = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const labelsMax = 64;
const descriptionLengthMax = 2000;
const controls = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** Key and value as Kubernetes has them, so that they can be carried over. */
export const labels = z
  .record(z.string(), z.string())
  .superRefine((given, ctx) => {
    const entries = Object.entries(given);
    if (entries.length > labelsMax) refuse(ctx, "too_big", `At most ${labelsMax} labels.`);
    for (const [key, value] of entries) {
      if (!labelKey.test(key))
        refuse(ctx, "bad_label", "A key is up to 63 of A-Z, a-z, 0-9, -, _ and ., with an optional prefix/.", [key]);
      if (!labelValue.test(value)) refuse(ctx, "bad_label", "A value is up to 63 of A-Z, a-z, 0-9, -, _ and .", [key]);
    }
  })
  .openapi({
    type: "object",
    additionalProperties: { type: "string" },
    description: "For selecting and grouping.",
    example: { environment: "production" },
  });

export const description = z
  .string()
  .max(descriptionLengthMax)
  .refine((text) => !controls.test(text), {
    error: "No control characters but tab and line feed.",
    params: { code: "bad_format" },
  })
  .openapi({ description: "For people.", example: "Card payments" });

export const managedBy = z
  .string()
  .max(128)
  .regex(/^[\x21-\x7e]*$/, "Printable ASCII without spaces.")
  .openapi({ description: "Who writes this object; another writer is refused while it is not empty.", example: "" });

const described = {
  labels: labels.default({}),
  description: description.default(""),
  managedBy: managedBy.default(""),
};

/** What every PUT takes: a whole object. What is absent gets its default, not its old value. */
export const objectWrite = <S extends z.ZodType>(spec: S) => z.strictObject({ ...described, spec });
