// What a proxy adds to the time of one small request and its answer of 64 bytes, with nothing else going on: over a connection of
// its own, from connect() on, and over one that stays. Where processes are pinned, the backend is on the core of the proxies: a request
// then goes to another core and back, with a proxy as without, and what is added is the proxy.
import type { Bench, Figure } from "../benchmark.ts";
import { ask } from "./ask.ts";
import { direct } from "./direct.ts";
import { Lab } from "./lab.ts";
import { startReturnBackend } from "./nginx.ts";
import { startBackends, startLoad } from "./own-processes.ts";
import { startPeers } from "./peers.ts";
import type { ProxyJob } from "./proxy.ts";
import { inRounds, peerFigures } from "./rounds.ts";
import { warmUp } from "./warm-up.ts";
import type { Latency, Work } from "./work.ts";

const ROUNDS = 5;
const WARM_UP = 20_000;
const NAME = "pong.bench.test";
const WARM_UP_NAME = "return.bench.test";
const shapes = [
  { connection: "new", samples: 2_000, what: "new connection" },
  { connection: "kept", samples: 4_000, what: "established connection" },
] as const;

export async function measureLatency(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab();
  const load = await startLoad(lab);
  const backends = new Map([
    [NAME, (await startBackends(lab, "proxy")).pong],
    [WARM_UP_NAME, await startReturnBackend(lab)],
  ]);
  const job: ProxyJob = { backends, place: "proxy", helloSeconds: 5, limits: false };
  const proxies = await startPeers(bench, lab, job);
  await warmUp(lab, proxies, WARM_UP_NAME, WARM_UP);
  const figures: Figure[] = [];
  for (const { connection, samples, what } of shapes) {
    const time = async (port: number): Promise<Latency> => {
      const work: Work = { do: "latency", port, name: NAME, samples, connection };
      return await ask<Latency>(load, work);
    };
    const peers = [direct(job), ...proxies];
    // The load and the backend have to be compiled as well.
    for (const peer of peers) await time(peer.port(NAME));
    const measured = await inRounds(ROUNDS, peers, async (peer) => {
      const took = await time(peer.port(NAME));
      bench.tell(`${what}, ${peer.name}: p50 ${took.p50.toFixed(1)} us, p99 ${took.p99.toFixed(1)} us`);
      return took;
    });
    for (const share of ["p50", "p99"] as const) {
      const without = measured.get("direct") ?? [];
      const added = (run: Latency, peer: string, round: number): number | null =>
        peer === "direct" ? null : run[share] - (without[round]?.[share] ?? Number.NaN);
      figures.push(
        ...peerFigures(`${what}, ${share}`, "us", "", measured, (run, peer) => (peer === "direct" ? run[share] : null)),
        ...peerFigures(`added to a request, ${what}, ${share}`, "us", "", measured, added),
      );
    }
  }
  return figures;
}
