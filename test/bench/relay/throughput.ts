// Bulk downloads, over one connection and over several: MB/s, and what it costs the proxy. A MB is 10^6 bytes.
import type { Bench, Figure } from "../benchmark.ts";
import { ask } from "./ask.ts";
import { Lab } from "./lab.ts";
import { startBackends, startLoad } from "./own-processes.ts";
import { direct } from "./direct.ts";
import { nginxLargeBuffers } from "./nginx.ts";
import { startPeers } from "./peers.ts";
import { cpuMicroseconds } from "./process-tree.ts";
import type { ProxyJob } from "./proxy.ts";
import { inRounds, peerFigures } from "./rounds.ts";
import type { Downloaded, Work } from "./work.ts";

const ROUNDS = 5;
const NAME = "bulk.bench.test";
/** Connections at a time, and how often they are made in a row: CPU is counted in steps of 10 ms. */
const shapes = [
  { connections: 1, repeats: 4, what: "1 connection" },
  { connections: 8, repeats: 1, what: "8 connections" },
];

export async function measureThroughput(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab();
  const load = await startLoad(lab);
  const job: ProxyJob = {
    backends: new Map([[NAME, (await startBackends(lab)).bulk]]),
    place: "proxy",
    helloSeconds: 5,
    limits: false,
  };
  const peers = [direct(job), ...(await startPeers(bench, lab, job, nginxLargeBuffers))];
  const figures: Figure[] = [];
  for (const { connections, repeats, what } of shapes) {
    const measured = await inRounds(ROUNDS, peers, async (peer) => {
      const work: Work = { do: "download", port: peer.port(NAME), name: NAME, connections };
      const before = peer.pid === null ? null : cpuMicroseconds(peer.pid);
      const total = { bytes: 0, seconds: 0 };
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        const { bytes, seconds } = await ask<Downloaded>(load, work);
        total.bytes += bytes;
        total.seconds += seconds;
      }
      const megabytes = total.bytes / 1e6;
      const cpu = before === null || peer.pid === null ? null : (cpuMicroseconds(peer.pid) - before) / 1e3 / megabytes;
      const run = { rate: megabytes / total.seconds, cpuPer100: cpu === null ? null : cpu * 100 };
      bench.tell(
        `${what}, ${peer.name}: ${Math.round(run.rate)} MB/s, ${run.cpuPer100?.toFixed(1) ?? "-"} ms per 100 MB`,
      );
      return run;
    });
    figures.push(
      ...peerFigures(
        `CPU per 100 MB, ${what}`,
        "ms",
        "no worse than nginx and HAProxy",
        measured,
        (run) => run.cpuPer100,
      ),
      ...peerFigures(`download, ${what}`, "MB/s", "no worse than nginx and HAProxy", measured, (run) => run.rate),
    );
  }
  return figures;
}
