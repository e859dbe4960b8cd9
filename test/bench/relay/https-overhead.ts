// HTTPS requests one after the other, with nothing else going on: how much longer each takes with a proxy in the way, in per cent,
// with a connection each and over one that stays. As with the added latency, the backend is on the core of the proxies.
import type { Bench, Figure } from "../benchmark.ts";
import { startHttps } from "./https-lab.ts";
import { Lab } from "./lab.ts";
import { overheadFigures } from "./overhead-figures.ts";
import { inRounds } from "./rounds.ts";

const ROUNDS = 3;
const shapes = [
  { connections: 1, close: true, what: "one at a time, a connection each" },
  { connections: 1, close: false, what: "one at a time, connection kept" },
];

export async function measureHttps(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab();
  const { peers, load } = await startHttps(bench, lab, "proxy");
  const figures: Figure[] = [];
  for (const shape of shapes) {
    const measured = await inRounds(ROUNDS, peers, (peer) => load(peer, shape));
    figures.push(...overheadFigures(shape.what, measured));
  }
  return figures;
}
