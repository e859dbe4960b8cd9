import { z } from "@hono/zod-openapi";
import { objectOutput, printObject } from "./object-output.ts";
import { objectWrite } from "./object-write.ts";
import { poolSpecInput, poolSpecOutput, printPoolSpec } from "./pool-spec.ts";
import { printWarnings, warningsOutput } from "./warnings.ts";
import type { PoolNameView, PoolView } from "../../fleet/pools.ts";

export const poolWrite = objectWrite(poolSpecInput).openapi("PoolWrite", {
  example: {
    description: "Edges at the public addresses",
    spec: {
      hello: { timeout: "5s", bytesMax: 32_768 },
      addresses: {
        default: { cidrs: ["public"], ports: [443] },
        teams: { payments: { cidrs: ["10.20.0.0/16"], ports: [443, "8000-8099"] } },
      },
    },
  },
});

export const poolOutput = objectOutput("Pool", {
  spec: poolSpecOutput,
  status: z.object({}),
  more: {
    revision: z.int().openapi({ description: "Number of the last change of its table.", example: 41 }),
    warnings: warningsOutput,
  },
});

/** What everybody may know of a pool. */
export const poolNameOutput = z.object({ name: z.string().openapi({ example: "public" }) }).openapi("PoolName");

/** All of it for a role over the fleet, for others its name. */
export const poolOrNameOutput = z.union([poolOutput, poolNameOutput]);

export const printPool = (view: PoolView): z.infer<typeof poolOutput> => ({
  ...printObject(view),
  revision: view.revision,
  ...printWarnings(view.warnings),
  spec: printPoolSpec(view.spec),
  status: {},
});

export const printPoolOrName = (view: PoolView | PoolNameView): z.infer<typeof poolOrNameOutput> =>
  "version" in view ? printPool(view) : { name: view.name };
