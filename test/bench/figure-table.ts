import type { Figure } from "./benchmark.ts";

const header = ["figure", "runs", "median", "unit", "to nginx", "bar"];

/** The figures as lines of text, one each below a header. */
export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((each) => [
    each.figure,
    each.runs.map(rounded).join(" "),
    rounded(each.median),
    each.unit,
    each.toNginx ? `${each.toNginx.median.toFixed(2)} x` : "",
    each.bar,
  ]);
  // A column that says nothing is left out.
  const used = header.map((_, column) => rows.some((row) => row[column] !== ""));
  const shown = [header, ...rows].map((row) => row.filter((_, column) => used[column]));
  const widths = (shown[0] ?? []).map((_, column) => Math.max(...shown.map((row) => (row[column] ?? "").length)));
  const lines = shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** To about three digits: more would only show what differs between two runs anyway. */
function rounded(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4);
}
