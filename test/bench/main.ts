// `npm run bench [-- NAME]`: a table on standard output, JSON in bench-results/. Figures are medians of several runs on whatever
// machine this is; only ratios and orders of magnitude travel.
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Benchmark } from "./benchmark.ts";
import { startBenchmark } from "./start.ts";

const benchmarks: readonly Benchmark[] = [startBenchmark];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `No benchmark is called ${unknown.join(", ")}: there are ${benchmarks.map((b) => b.name).join(", ")}.\n`,
  );
  process.exit(64);
}
await mkdir("bench-results", { recursive: true });
for (const benchmark of benchmarks) {
  if (wanted.length > 0 && !wanted.includes(benchmark.name)) continue;
  const figures = await benchmark.run((line) => process.stderr.write(`${benchmark.name}: ${line}\n`));
  const machine = { node: process.version, cores: availableParallelism(), at: new Date().toISOString() };
  await writeFile(
    `bench-results/${benchmark.name}.json`,
    `${JSON.stringify({ benchmark: benchmark.name, machine, figures }, null, 2)}\n`,
  );
  const rows = figures.map((f) => [
    f.figure,
    f.runs.map((ms) => String(Math.round(ms))).join(" "),
    String(Math.round(f.median)),
    f.unit,
    f.bar,
  ]);
  const header = ["figure", "runs", "median", "unit", "bar"];
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  for (const row of [header, ...rows]) {
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}\n`,
    );
  }
}
