import { z } from "@hono/zod-openapi";
import { duration, formatDuration } from "./duration.ts";
import type { TimeoutsSpec } from "../../fleet/specs.ts";

/** Upper bounds stay below 2^31 ms, the longest a timer of an edge can run. */
const connect = duration({ min: "100ms", max: "10s", default: "3s" }, "For one attempt to reach a backend.");
const idle = duration({ min: "1s", max: "576h", default: "10m" }, "Without a byte either way.");
const halfClosed = duration({ min: "1s", max: "576h", default: "1m" }, "After one side has finished.");
const writeStall = duration({ min: "1s", max: "24h", default: "1m" }, "For a write without progress.");
const maxDuration = duration({ min: "1s", max: "576h" }, "")
  .nullish()
  .openapi({
    type: ["string", "null"],
    description: "For a whole connection; null or absent: no bound. Between 1s and 576h.",
    example: "8h",
  });

const defaults: TimeoutsSpec = {
  connectMs: 3000,
  idleMs: 600_000,
  halfClosedMs: 60_000,
  writeStallMs: 60_000,
  maxDurationMs: null,
};

export const timeoutsInput = z
  .strictObject({
    connect: connect.optional(),
    idle: idle.optional(),
    halfClosed: halfClosed.optional(),
    writeStall: writeStall.optional(),
    maxDuration,
  })
  .transform((given): TimeoutsSpec => ({
    connectMs: given.connect ?? defaults.connectMs,
    idleMs: given.idle ?? defaults.idleMs,
    halfClosedMs: given.halfClosed ?? defaults.halfClosedMs,
    writeStallMs: given.writeStall ?? defaults.writeStallMs,
    maxDurationMs: given.maxDuration ?? defaults.maxDurationMs,
  }))
  .openapi("TimeoutsInput");

/** What absent `timeouts` mean. */
export const timeoutsDefault = (): TimeoutsSpec => ({ ...defaults });

const text = z.string();

export const timeoutsOutput = z
  .object({
    connect: text.openapi({ example: "3s" }),
    idle: text.openapi({ example: "10m" }),
    halfClosed: text.openapi({ example: "1m" }),
    writeStall: text.openapi({ example: "1m" }),
    maxDuration: text.nullable().openapi({ description: "null: no bound.", example: null }),
  })
  .openapi("Timeouts");

export function printTimeouts(spec: TimeoutsSpec): z.infer<typeof timeoutsOutput> {
  return {
    connect: formatDuration(spec.connectMs),
    idle: formatDuration(spec.idleMs),
    halfClosed: formatDuration(spec.halfClosedMs),
    writeStall: formatDuration(spec.writeStallMs),
    maxDuration: spec.maxDurationMs === null ? null : formatDuration(spec.maxDurationMs),
  };
}
