// How long a worker serves nobody while 100,000 routes are swapped in: as the thread itself sees it, and as a client does that asks
// all the time over one connection and over new ones. Nothing is pinned, since who hands tables on is a thread of the same process;
// what the same looks like at rest stands beside it.
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Bench, type Figure, toFigure } from "../benchmark.ts";
import { ask } from "./ask.ts";
import { startRelay } from "./helloway.ts";
import { Lab } from "./lab.ts";
import { startBackends, startLoad } from "./own-processes.ts";
import type { ProxyJob } from "./proxy.ts";
import type { RelayQuestion, Swapped } from "./swaps.ts";
import type { Longest, Work } from "./work.ts";

const ROUTES = 100_000;
/** Changed in one update: the most that is one step. */
const CHANGED_ROUTES = 300;
const SWAPS = 5;
const REST_MS = 1_000;
const IDLE_MS = 3_000;
const NAME = "pong.bench.test";
const watch = fileURLToPath(new URL("./loop-watch.ts", import.meta.url));

function longestCpuMs({ busy }: Swapped): number {
  return busy.longestCpuMs;
}

interface Watched extends Swapped {
  longest: Longest;
}

export async function measureSwap(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab();
  const load = await startLoad(lab);
  const backends = new Map([[NAME, (await startBackends(lab, "anywhere")).pong]]);
  const job: ProxyJob = { backends, place: "anywhere", helloSeconds: 5, limits: false };
  const { port, started } = await startRelay(lab, job, ["--import", watch]);
  await ask(started, { do: "prepare", routes: ROUTES } satisfies RelayQuestion);
  const watched = async (question: RelayQuestion): Promise<Watched> => {
    await ask(load, { do: "probe", port, name: NAME } satisfies Work);
    const swapped = await ask<Swapped>(started, question);
    return { ...swapped, longest: await ask<Longest>(load, { do: "longest" } satisfies Work) };
  };
  // The first is what it costs to begin, in the relay as in the load.
  await watched({ do: "swap", snapshot: true });
  const rests: Watched[] = [];
  const swaps: Watched[] = [];
  for (let swap = 0; swap < SWAPS; swap += 1) {
    rests.push(await watched({ do: "rest", ms: REST_MS }));
    const swapped = await watched({ do: "swap", snapshot: true });
    swaps.push(swapped);
    const { ms, busy, longest } = swapped;
    bench.tell(
      `swap in ${Math.round(ms)} ms, longest stretch ${busy.longestMs.toFixed(1)} ms, ${busy.overSlice} over 10 ms, ` +
        `longest answer ${longest.kept.toFixed(1)} ms, new ${longest.new.toFixed(1)} ms`,
    );
  }
  // After a while with nothing to do V8 wants less memory, which it begins to save in the middle of the next swap.
  const afterIdle: Swapped[] = [];
  for (let swap = 0; swap < SWAPS; swap += 1) {
    await pause(IDLE_MS);
    const swapped = await ask<Swapped>(started, { do: "swap", snapshot: true } satisfies RelayQuestion);
    afterIdle.push(swapped);
    bench.tell(
      `swap after idling in ${Math.round(swapped.ms)} ms, longest stretch ${swapped.busy.longestMs.toFixed(1)} ms`,
    );
  }
  const figure = <R>(name: string, unit: string, bar: string, of: R[], value: (run: R) => number): Figure =>
    toFigure(name, unit, bar, of.map(value));
  await ask(started, { do: "prepare", routes: CHANGED_ROUTES } satisfies RelayQuestion);
  const changes: Watched[] = [];
  for (let change = 0; change < SWAPS; change += 1) changes.push(await watched({ do: "swap", snapshot: false }));
  return [
    figure("swap of 100k routes, served by all", "ms", "", swaps, (run) => run.ms),
    figure("longest stretch of a worker, swap", "ms", "under 50", swaps, (run) => run.busy.longestMs),
    figure("longest stretch of a worker, swap", "ms CPU", "under 50", swaps, longestCpuMs),
    figure("stretches over 10 ms CPU, swap", "", "none", swaps, (run) => run.busy.overSlice),
    figure("longest stretch of a worker, swap after idling", "ms", "under 50", afterIdle, (run) => run.busy.longestMs),
    figure("longest stretch of a worker, swap after idling", "ms CPU", "under 50", afterIdle, longestCpuMs),
    figure("stretches over 10 ms CPU, swap after idling", "", "none", afterIdle, (run) => run.busy.overSlice),
    figure("longest stretch of a worker, rest", "ms", "", rests, (run) => run.busy.longestMs),
    figure("longest stretch of a worker, change of 300 routes", "ms", "", changes, (run) => run.busy.longestMs),
    figure("longest stretch of a worker, change of 300 routes", "ms CPU", "", changes, longestCpuMs),
    figure("longest answer, established, swap", "ms", "", swaps, (run) => run.longest.kept),
    figure("longest answer, established, rest", "ms", "", rests, (run) => run.longest.kept),
    figure("longest answer, new connection, swap", "ms", "", swaps, (run) => run.longest.new),
    figure("longest answer, new connection, rest", "ms", "", rests, (run) => run.longest.new),
  ];
}
