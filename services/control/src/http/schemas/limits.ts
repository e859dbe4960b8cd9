import { z } from "@hono/zod-openapi";
import { byteSize, formatByteSize } from "./byte-size.ts";
import type { LimitsSpec } from "../../fleet/specs.ts";

/** More than one edge can hold or accept: a higher one would limit nothing. */
const connectionsMax = 10_000_000;
const newPerSecondMax = 1_000_000;

const limit = (max: number, about: string) =>
  z
    .int()
    .min(1)
    .max(max)
    .nullish()
    .openapi({ description: `${about} null or absent: no limit.`, example: 1000 });

/** The lower bound lets a handshake through within the timeouts; the upper is above what one connection does. */
const bytesPerSecond = byteSize({ min: "1kB", max: "100GB" }, "Of each connection, each way.", "10MiB").nullish();

const mode = z
  .enum(["enforce", "observe"])
  .openapi({ description: "`observe` counts what would be over a limit and refuses nothing.", example: "enforce" });

/** Absent when nothing is limited, whatever the mode. */
export const limitsInput = z
  .strictObject({
    connections: limit(connectionsMax, "Open at the same time."),
    connectionsPerSource: limit(connectionsMax, "Open at the same time from one source."),
    newPerSecond: limit(newPerSecondMax, "New ones in a second."),
    newPerSecondPerSource: limit(newPerSecondMax, "New ones in a second from one source."),
    bytesPerSecond,
    mode: mode.default("enforce"),
  })
  .transform(({ mode: given, ...limits }): LimitsSpec | undefined => {
    const spec = {
      connections: limits.connections ?? null,
      connectionsPerSource: limits.connectionsPerSource ?? null,
      newPerSecond: limits.newPerSecond ?? null,
      newPerSecondPerSource: limits.newPerSecondPerSource ?? null,
      bytesPerSecond: limits.bytesPerSecond ?? null,
    };
    return Object.values(spec).every((value) => value === null) ? undefined : { ...spec, mode: given };
  })
  .openapi("LimitsInput");

const count = z.int().nullable().openapi({ description: "null: no limit.", example: 1000 });

export const limitsOutput = z
  .object({
    connections: count,
    connectionsPerSource: count,
    newPerSecond: count,
    newPerSecondPerSource: count,
    bytesPerSecond: z.string().nullable().openapi({ description: "null: no limit.", example: "10MiB" }),
    mode,
  })
  .openapi("Limits");

export function printLimits(spec: LimitsSpec | undefined): z.infer<typeof limitsOutput> | null {
  if (spec === undefined) return null;
  const { bytesPerSecond: bytes, ...rest } = spec;
  return { ...rest, bytesPerSecond: bytes === null ? null : formatByteSize(bytes) };
}
