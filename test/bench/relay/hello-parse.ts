// What slow and bad hellos cost: CPU for one of 16 KiB that comes byte by byte, in a process that has parsed none before and in one
// that has; and how soon after its fifth byte, the last of its length, a record that cannot be is refused by a running relay.
import { fileURLToPath } from "node:url";
import { type Bench, type Figure, median, toFigure } from "../benchmark.ts";
import { ask, nextMessage } from "./ask.ts";
import type { Dripped } from "./drip-process.ts";
import { startRelay } from "./helloway.ts";
import { Lab } from "./lab.ts";
import { startLoad } from "./own-processes.ts";
import type { Refusals, Work } from "./work.ts";

const PROCESSES = 5;
const HELLOS = 50;
const REFUSALS = 50;
const file = fileURLToPath(new URL("./drip-process.ts", import.meta.url));

export async function measureHelloParse(bench: Bench): Promise<Figure[]> {
  const first: number[] = [];
  const later: number[] = [];
  for (let round = 0; round < PROCESSES; round += 1) {
    const { cpu } = await dripped();
    first.push(cpu[0] ?? Number.NaN);
    later.push(median(cpu.slice(1)));
    bench.tell(`16 KiB by bytes: ${first.at(-1)?.toFixed(1)} ms of CPU, later ${later.at(-1)?.toFixed(2)} ms`);
  }
  const { took } = await refused();
  bench.tell(`refused ${median(took).toFixed(2)} ms after the 5th byte, at most ${Math.max(...took).toFixed(2)} ms`);
  return [
    toFigure("hello of 16 KiB byte by byte, the first of a process", "ms CPU", "under 20", first),
    toFigure("hello of 16 KiB byte by byte, later ones", "ms CPU", "under 20", later),
    toFigure("impossible length refused, median", "ms", "under 50", [median(took)]),
    toFigure("impossible length refused, slowest of 50", "ms", "under 50", [Math.max(...took)]),
  ];
}

async function dripped(): Promise<Dripped> {
  await using lab = new Lab();
  const started = lab.start(process.execPath, [file], "proxy", { ipc: true });
  await nextMessage(started);
  return await ask<Dripped>(started, { hellos: HELLOS });
}

async function refused(): Promise<Refusals> {
  await using lab = new Lab();
  const load = await startLoad(lab);
  const { port } = await startRelay(lab, { backends: new Map(), place: "proxy", helloSeconds: 5, limits: false }, []);
  return await ask<Refusals>(load, { do: "refusals", port, samples: REFUSALS } satisfies Work);
}
