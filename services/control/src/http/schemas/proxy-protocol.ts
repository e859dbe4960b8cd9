import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";
import type { ProxyTlv } from "../../fleet/specs.ts";

const names = ["authority", "alpn", "uniqueId", "edge"] as const satisfies readonly ProxyTlv[];
const tlv = z.enum(names);

export const proxyProtocol = z
  .enum(["none", "v1", "v2"])
  .openapi({ description: "PROXY header towards the backend.", example: "none" });

/** In the order of the contract, each once. */
export const proxyTlvsInput = z
  .array(tlv)
  .max(names.length)
  .transform((given) => names.filter((name) => given.includes(name)))
  .openapi({
    type: "array",
    items: { type: "string", enum: [...names] },
    maxItems: names.length,
    description:
      "What the header carries: `authority` the server name as received, `alpn` the offered protocols, `uniqueId` the connection's id in the log, `edge` the edge's name. With `v2` only.",
    example: ["authority"],
  });

export const proxyTlvsOutput = z.array(tlv).openapi({ example: [] });

/** A header of version 1 has no room for them. */
export function checkProxyTlvs(
  given: { proxyProtocol: "none" | "v1" | "v2"; proxyTlvs: readonly ProxyTlv[] },
  ctx: Pick<z.RefinementCtx, "addIssue">,
): void {
  if (given.proxyTlvs.length === 0 || given.proxyProtocol === "v2") return;
  refuse(ctx, "not_allowed", 'Only a header of version 2 carries these: set proxyProtocol to "v2".', ["proxyTlvs"]);
}
