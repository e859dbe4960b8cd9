import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";

const units = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

const form = /^(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/;

/** Milliseconds of "5s", "1m30s", "8760h", "250ms"; null when it is no duration. */
export function parseDuration(text: string): number | null {
  const match = text === "" ? null : form.exec(text);
  if (match === null) return null;
  return units.reduce((total, [, factor], index) => total + Number(match[index + 1] ?? 0) * factor, 0);
}

/** The shortest exact text: 90,000 is "1m30s", 600,000 is "10m". */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = "";
  for (const [unit, factor] of units) {
    const whole = Math.floor(rest / factor);
    rest -= whole * factor;
    if (whole > 0) text += `${whole}${unit}`;
  }
  return text === "" ? "0s" : text;
}

/** A duration as people write it, as milliseconds. */
export function duration(bounds: { min: string; max: string; default?: string }, about: string) {
  const [min, max] = [parseDuration(bounds.min), parseDuration(bounds.max)];
  if (min === null || max === null) throw new Error("bounds are durations");
  return z
    .string()
    .transform((text, ctx) => {
      const ms = parseDuration(text);
      if (ms === null) return refuse(ctx, "bad_duration", 'Write durations like "5s", "1m30s" or "8760h".');
      if (ms < min || ms > max) return refuse(ctx, "out_of_range", `Between ${bounds.min} and ${bounds.max}.`);
      return ms;
    })
    .openapi({
      type: "string",
      description: `${about} Between ${bounds.min} and ${bounds.max}.`,
      example: bounds.default ?? bounds.min,
      ...(bounds.default === undefined ? {} : { default: bounds.default }),
    });
}
