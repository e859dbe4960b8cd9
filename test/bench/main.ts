// `npm run bench [-- NAME [FIGURE...]]...`: a table on standard output, JSON in bench-results/. Figures are medians of several runs
// on whatever machine this is; only ratios and orders of magnitude travel.
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Benchmark } from "./benchmark.ts";
import { figureTable } from "./figure-table.ts";
import { relayBenchmark } from "./relay.ts";
import { startBenchmark } from "./start.ts";

const benchmarks: readonly Benchmark[] = [startBenchmark, relayBenchmark];

/** By benchmark, the figures asked for; none: all of them. */
const wanted = new Map<Benchmark, string[]>();
let latest: Benchmark | undefined;
for (const name of process.argv.slice(2)) {
  const named = benchmarks.find((each) => each.name === name);
  if (named) {
    latest = named;
    wanted.set(named, []);
  } else if (latest?.figures?.includes(name)) wanted.get(latest)?.push(name);
  else usage(name);
}
if (wanted.size === 0) for (const each of benchmarks) wanted.set(each, []);

function usage(unknown: string): never {
  const names = benchmarks.map((each) => (each.figures ? `${each.name} [${each.figures.join(" ")}]` : each.name));
  process.stderr.write(`No benchmark and no figure is called ${unknown}: there are ${names.join(", ")}.\n`);
  process.exit(64);
}

await mkdir("bench-results", { recursive: true });
for (const [benchmark, only] of wanted) {
  const about: Record<string, string> = {};
  const figures = await benchmark.run({
    tell: (line) => void process.stderr.write(`${benchmark.name}: ${line}\n`),
    note: (name, value) => void (about[name] = value),
    wants: (figure) => only.length === 0 || only.includes(figure),
  });
  const machine = { node: process.version, cores: availableParallelism(), at: new Date().toISOString() };
  await writeFile(
    `bench-results/${benchmark.name}.json`,
    `${JSON.stringify({ benchmark: benchmark.name, machine, about, figures }, null, 2)}\n`,
  );
  for (const [name, value] of Object.entries(about)) process.stdout.write(`${name}: ${value}\n`);
  process.stdout.write(figureTable(figures));
}
