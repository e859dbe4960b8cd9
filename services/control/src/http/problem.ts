import { z } from "@hono/zod-openapi";

/** The one content type of everything that went wrong. */
export const problemType = "application/problem+json";

const fieldProblemSchema = z
  .object({
    pointer: z.string().openapi({
      description:
        'RFC 6901 pointer into the body ("" is the whole of it), "?name" for a query parameter, "{name}" for a part of the path, "name:" for a header.',
      example: "/spec/backends/0/weight",
    }),
    code: z.string().openapi({ description: "Stable, for programs.", example: "too_big" }),
    detail: z.string().openapi({ description: "For people.", example: "At most 1000." }),
  })
  .openapi("FieldProblem");

/** RFC 9457, with our code, the request's id and every place of the input that is wrong. */
export const problemSchema = z
  .object({
    type: z.string().openapi({ description: "Names the code as a URI.", example: "urn:helloway:problem:invalid" }),
    title: z.string().openapi({ description: "What the status means.", example: "Unprocessable Content" }),
    status: z.int().openapi({ example: 422 }),
    detail: z.string().openapi({ description: "What, why and what to do next." }),
    instance: z.string().openapi({ description: "Path of the request.", example: "/api/v1/teams/payments/routes/api" }),
    code: z.string().openapi({ description: "Stable, for programs.", example: "invalid" }),
    requestId: z.string().openapi({ description: "What our log calls this request." }),
    errors: z
      .array(fieldProblemSchema)
      .openapi({ description: "The places of the input that are wrong, 100 at most." }),
  })
  .openapi("Problem");

export type ProblemDocument = z.infer<typeof problemSchema>;
