import { z } from "@hono/zod-openapi";
import { refuse } from "./custom-problem.ts";

/** Larger first: of two texts of one length the larger unit is written. */
const units = [
  ["GiB", 1024 ** 3],
  ["GB", 1000 ** 3],
  ["MiB", 1024 ** 2],
  ["MB", 1000 ** 2],
  ["KiB", 1024],
  ["kB", 1000],
  ["B", 1],
] as const;

const form = /^(\d{1,15})(B|kB|MB|GB|KiB|MiB|GiB)$/;

/** Bytes of "10MiB", "1MB", "64kB"; null when it is no size, or one beyond what a number holds exactly. */
export function parseByteSize(text: string): number | null {
  const match = form.exec(text);
  const factor = units.find(([unit]) => unit === match?.[2])?.[1];
  if (match === null || factor === undefined) return null;
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The shortest exact text: 1,048,576 is "1MiB", 1,500 is "1500B". */
export function formatByteSize(bytes: number): string {
  const texts = units.flatMap(([unit, factor]) => (bytes % factor === 0 ? [`${bytes / factor}${unit}`] : []));
  return texts.reduce((best, text) => (text.length < best.length ? text : best));
}

/** A size as people write it, as a number of bytes. */
export function byteSize(bounds: { min: string; max: string }, about: string, example: string) {
  const [min, max] = [parseByteSize(bounds.min), parseByteSize(bounds.max)];
  if (min === null || max === null) throw new Error("bounds are sizes");
  return z
    .union([z.int(), z.string()])
    .transform((given, ctx) => {
      const bytes = typeof given === "number" ? given : parseByteSize(given);
      if (bytes === null) return refuse(ctx, "bad_size", 'Write a number of bytes, or sizes like "64kB" or "10MiB".');
      if (bytes < min || bytes > max) return refuse(ctx, "out_of_range", `Between ${bounds.min} and ${bounds.max}.`);
      return bytes;
    })
    .openapi({
      description: `${about} Bytes, or a text with B, kB, MB, GB, KiB, MiB or GiB. Between ${bounds.min} and ${bounds.max}.`,
      example,
    });
}
