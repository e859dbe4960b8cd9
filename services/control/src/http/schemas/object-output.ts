import { z } from "@hono/zod-openapi";

const instant = (about: string, example = "2026-11-23T19:30:00.000Z") =>
  z.string().openapi({ format: "date-time", description: about, example });

const stored = {
  labels: z.record(z.string(), z.string()),
  description: z.string(),
  managedBy: z.string(),
  version: z.int().openapi({ description: "The ETag: one more with every change.", example: 7 }),
  createdAt: instant("When it was made."),
  updatedAt: instant("When it last changed."),
};

/**
 * An object as every endpoint answers it.
 * @param more fields of this kind alone. Extending the result instead would make its schema in the document refer to itself.
 */
export const objectOutput = <Spec extends z.ZodType, Status extends z.ZodType, More extends Record<string, z.ZodType>>(
  refId: string,
  fields: { spec: Spec; status: Status; more: More },
) => {
  const { spec, status, more } = fields;
  return z.object({ name: z.string(), ...more, ...stored, spec, status }).openapi(refId);
};

interface View {
  name: string;
  labels: Record<string, string>;
  description: string;
  managedBy: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** The common part of an object, with instants as text. */
export const printObject = (view: View) => ({
  name: view.name,
  labels: view.labels,
  description: view.description,
  managedBy: view.managedBy,
  version: view.version,
  createdAt: view.createdAt.toISOString(),
  updatedAt: view.updatedAt.toISOString(),
});

export { instant };
