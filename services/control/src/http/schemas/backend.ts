import { z } from "@hono/zod-openapi";
import { parseBackendAddress } from "@helloway/routing/address";
import { refuse } from "./custom-problem.ts";
import type { BackendSpec } from "../../fleet/specs.ts";

const address = z
  .string()
  .transform((text, ctx) => {
    const result = parseBackendAddress(text);
    return result.ok ? result.text : refuse(ctx, result.code, result.detail);
  })
  .openapi({
    type: "string",
    description: "`address:port`, `[IPv6]:port` or `name:port`. Names are resolved by the edges.",
    example: "192.168.1.10:443",
  });

const weight = z.int().min(1).max(1000).openapi({ description: "Share within its priority.", example: 1 });
const priority = z.int().min(0).max(100).openapi({ description: "Failover tier; lower first.", example: 0 });

export const backendInput = z
  .strictObject({ address, weight: weight.default(1), priority: priority.default(0) })
  .openapi("BackendInput");

export const backendOutput = z
  .object({ address: z.string().openapi({ example: "192.168.1.10:443" }), weight, priority })
  .openapi("Backend");

/** More would make every dial a lottery and every table heavy. */
export const backendsMax = 64;

export const backendsInput = z
  .array(backendInput)
  .min(1)
  .max(backendsMax)
  .superRefine((backends, ctx) => {
    const seen = new Map<string, number>();
    for (const [index, backend] of backends.entries()) {
      const first = seen.get(backend.address);
      if (first === undefined) seen.set(backend.address, index);
      else refuse(ctx, "duplicate", `The same as item ${first}; use weight.`, [index, "address"]);
    }
  })
  .openapi({ description: "Where connections go." });

export const printBackend = ({ address: text, weight: share, priority: tier }: BackendSpec) => ({
  address: text,
  weight: share,
  priority: tier,
});
