import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";
import type { PortRangeSpec } from "../../fleet/specs.ts";

const any: PortRangeSpec = { from: 1, to: 65_535 };
const port = z.int().min(1).max(65_535);

function parseRange(text: string): PortRangeSpec | null {
  if (text === "any") return { ...any };
  const match = /^([1-9]\d{0,4})-([1-9]\d{0,4})$/.exec(text);
  const range = match === null ? null : { from: Number(match[1]), to: Number(match[2]) };
  return range !== null && range.from <= range.to && range.to <= any.to ? range : null;
}

/** One entry of `ports`: 443, "8000-8099" or "any". */
const portsEntry = z
  .union([port, z.string()])
  .transform((given, ctx): PortRangeSpec => {
    if (typeof given === "number") return { from: given, to: given };
    return parseRange(given) ?? refuse(ctx, "bad_ports", 'A port as a number, "from-to" with from <= to, or "any".');
  })
  .openapi({ example: 443 });

export const portsInput = z
  .array(portsEntry)
  .min(1)
  .max(64)
  .openapi({ description: 'Numbers, "from-to" or "any".', example: [443, "8000-8099"] });

export const portsOutput = z.array(z.union([port, z.string()])).openapi({ example: [443, "8000-8099"] });

/** The shortest way to write it. */
export function printPorts(ranges: readonly PortRangeSpec[]): (number | string)[] {
  return ranges.map(({ from, to }) => {
    if (from === to) return from;
    return from === any.from && to === any.to ? "any" : `${from}-${to}`;
  });
}
