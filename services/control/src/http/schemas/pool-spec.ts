import { z } from "@hono/zod-openapi";
import { addressGrantsDefault, addressGrantsInput, addressGrantsOutput, printAddressGrants } from "./address-grants.ts";
import { duration, formatDuration } from "./duration.ts";
import { later } from "./later.ts";
import { printRouteBody, routeBodyInput, routeBodyOutput } from "./route-body.ts";
import type { PoolSpec } from "../../fleet/specs.ts";

const helloTimeout = duration({ min: "100ms", max: "1m", default: "5s" }, "For the whole hello to arrive.");
/** The upper bound is what an edge buffers at most. */
const helloBytesMax = z
  .int()
  .min(1024)
  .max(32_768)
  .openapi({ description: "Handshake bytes a hello may have.", example: 32_768 });

const helloDefault = (): PoolSpec["hello"] => ({ timeoutMs: 5000, bytesMax: 32_768 });

const helloInput = z
  .strictObject({ timeout: helloTimeout.optional(), bytesMax: helloBytesMax.optional() })
  .transform(({ timeout, bytesMax }): PoolSpec["hello"] => ({
    timeoutMs: timeout ?? helloDefault().timeoutMs,
    bytesMax: bytesMax ?? helloDefault().bytesMax,
  }))
  .openapi("HelloInput");

export const poolSpecInput = z
  .strictObject({
    hello: helloInput.optional(),
    noSni: routeBodyInput.nullish().openapi({ description: "For a hello without a name; null: refuse it." }),
    unmatched: routeBodyInput.nullish().openapi({ description: "For a name that nobody registered; null: refuse it." }),
    addresses: addressGrantsInput.optional().openapi({
      description:
        "Where routes of this pool may point. Taking a grant back changes no route: edges refuse at once those that point elsewhere, and the route's status says so (rejected, with the reason).",
    }),
    rollout: later("How a change reaches the edges."),
  })
  .transform((given): PoolSpec => ({
    hello: given.hello ?? helloDefault(),
    noSni: given.noSni ?? null,
    unmatched: given.unmatched ?? null,
    addresses: given.addresses ?? addressGrantsDefault(),
  }))
  .openapi("PoolSpecInput");

export const poolSpecOutput = z
  .object({
    hello: z.object({ timeout: z.string().openapi({ example: "5s" }), bytesMax: helloBytesMax }),
    noSni: routeBodyOutput.nullable(),
    unmatched: routeBodyOutput.nullable(),
    addresses: addressGrantsOutput,
  })
  .openapi("PoolSpec");

export function printPoolSpec(spec: PoolSpec): z.infer<typeof poolSpecOutput> {
  return {
    hello: { timeout: formatDuration(spec.hello.timeoutMs), bytesMax: spec.hello.bytesMax },
    noSni: spec.noSni === null ? null : printRouteBody(spec.noSni),
    unmatched: spec.unmatched === null ? null : printRouteBody(spec.unmatched),
    addresses: printAddressGrants(spec.addresses),
  };
}
