import { z } from "@hono/zod-openapi";
import { objectOutput, printObject } from "./object-output.ts";
import { objectWrite } from "./object-write.ts";
import { poolSpecInput, poolSpecOutput, printPoolSpec } from "./pool-spec.ts";
import type { PoolView } from "../../fleet/pools.ts";

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

export const poolOutput = objectOutput("Pool", poolSpecOutput, z.object({}))
  .extend({ revision: z.int().openapi({ description: "Number of the last change of its table.", example: 41 }) })
  .openapi("Pool");

export const poolNameOutput = z.object({ name: z.string() }).openapi("PoolName");

export const printPool = (view: PoolView): z.infer<typeof poolOutput> => ({
  ...printObject(view),
  revision: view.revision,
  spec: printPoolSpec(view.spec),
  status: {},
});
