import { z } from "@hono/zod-openapi";
import { duration } from "./duration.ts";
import { instantInput } from "./instant-input.ts";
import { instant } from "./object-output.ts";
import { refuse } from "./custom-problem.ts";
import type { RouteStats } from "../../fleet/stats.ts";

const minuteMs = 60_000;

const bound = (about: string) =>
  instantInput
    .optional()
    .openapi({ type: "string", format: "date-time", description: about, example: "2026-11-23T19:00:00Z" });

/** Counts are kept by the minute, so no answer is finer. */
const step = duration({ min: "1m", max: "744h" }, "Length of one item of the series: whole minutes.")
  .refine((ms) => ms % minuteMs === 0, { error: "Whole minutes.", params: { code: "out_of_range" } })
  .optional();

export const statsQuery = z
  .strictObject({ from: bound("Beginning, inclusive."), to: bound("End, exclusive."), step })
  .superRefine(({ from, to }, ctx) => {
    if (from && to && from >= to) refuse(ctx, "out_of_range", "After `from`.", ["to"]);
  })
  .transform(({ from, to, step: stepMs }) => ({
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(stepMs ? { stepMs } : {}),
  }));

const bytes = (about: string) => z.int().openapi({ description: about, example: 52_331 });

const counters = {
  opened: z.int().openapi({ description: "Connections routed here.", example: 1000 }),
  active: z.int().openapi({ description: "Open at the end of the time span.", example: 12 }),
  closed: z.int().openapi({ example: 988 }),
  rxBytes: bytes("Read from clients, the hello included."),
  txBytes: bytes("Written to clients."),
  overLimit: z.int().openapi({
    description: "Connections that a limit of the route in the mode `observe` would have refused or slowed.",
    example: 0,
  }),
  reasons: z.record(z.string(), z.int()).openapi({
    type: "object",
    description: "Closed connections by close reason.",
    example: { client_closed: 980, idle_timeout: 8 },
  }),
};

export const statsOutput = z
  .object({
    totals: z.object(counters),
    series: z.array(z.object({ at: instant("Beginning of the item."), ...counters })),
  })
  .openapi("RouteStats");

export const printStats = (stats: RouteStats): z.infer<typeof statsOutput> => ({
  totals: stats.totals,
  series: stats.series.map(({ at, ...counts }) => ({ at: at.toISOString(), ...counts })),
});
