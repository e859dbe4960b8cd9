// How long the table takes to say who serves a name, from a few routes to a million: random names out of a hundred thousand, a
// third of them exact, a third below wildcards, a third that nobody has. Every call is timed by itself, and what reading the clock
// costs is in the figures.
import { fileURLToPath } from "node:url";
import { type Bench, type Figure, toFigure } from "../benchmark.ts";
import { ask, nextMessage } from "./ask.ts";
import { Lab } from "./lab.ts";
import type { LookupTimes } from "./lookup-process.ts";

const SIZES = [10, 10_000, 100_000, 1_000_000];
const file = fileURLToPath(new URL("./lookup-process.ts", import.meta.url));

export async function measureLookup(bench: Bench): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const routes of SIZES) {
    // A process for each: what one size leaves in memory is not another's.
    await using lab = new Lab();
    const started = lab.start(process.execPath, [file], "proxy", { ipc: true });
    await nextMessage(started);
    const { lookup, decision, clock } = await ask<LookupTimes>(started, { routes });
    const what = `${routes.toLocaleString("en")} routes`;
    bench.tell(`lookup, ${what}: ${lookup.map(({ p50, p99 }) => `${p50.toFixed(2)}/${p99.toFixed(2)}`).join(" ")} us`);
    bench.note(`reading the clock, ${what}`, `p50 ${clock.p50.toFixed(2)} us, p99 ${clock.p99.toFixed(2)} us`);
    for (const share of ["p50", "p99"] as const) {
      const bar = share === "p99" ? "under 5, flat" : "";
      figures.push(
        toFigure(
          `lookup, ${what}, ${share}`,
          "us",
          bar,
          lookup.map((run) => run[share]),
        ),
        toFigure(
          `whole decision, ${what}, ${share}`,
          "us",
          "",
          decision.map((run) => run[share]),
        ),
      );
    }
  }
  return figures;
}
