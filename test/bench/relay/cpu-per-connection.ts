// New connections, as many as go: connect, hello, an answer of 61 bytes, close. The generator and the backend together cost less
// than any proxy, so that what is measured is the proxy.
import { type Bench, type Figure, median } from "../benchmark.ts";
import { helloFor } from "./hello.ts";
import { Lab } from "./lab.ts";
import { startReturnBackend } from "./nginx.ts";
import { startPeers } from "./peers.ts";
import { cpuMicroseconds } from "./process-tree.ts";
import type { Proxy, ProxyJob } from "./proxy.ts";
import { inRounds, peerFigures } from "./rounds.ts";
import { urlOf, warmUp } from "./warm-up.ts";
import { wrk, wrkScript } from "./wrk.ts";

const ROUNDS = 7;
/** Through each peer before the first round. */
const WARM_UP = 40_000;
const SECONDS = 2;
const CONNECTIONS = 64;
const NAME = "return.bench.test";

export async function measureConnections(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab();
  const backends = new Map([[NAME, await startReturnBackend(lab)]]);
  const job: ProxyJob = { backends, place: "proxy", helloSeconds: 5, limits: false };
  const peers = await startPeers(bench, lab, job);
  const script = wrkScript(helloFor(NAME));
  const load = (peer: Proxy) =>
    wrk(lab, urlOf(peer, NAME), { connections: CONNECTIONS, seconds: SECONDS, place: "load", script });
  await warmUp(lab, peers, NAME, WARM_UP);
  const measured = await inRounds(ROUNDS, peers, async (peer) => {
    const before = cpuMicroseconds(peer.pid ?? -1);
    const { requests, seconds } = await load(peer);
    const cpu = cpuMicroseconds(peer.pid ?? -1) - before;
    const run = { perSecond: requests / seconds, cpu: cpu / requests, busy: cpu / seconds / 1e6 };
    bench.tell(
      `${peer.name}: ${Math.round(run.perSecond)} connections/s, ${run.cpu.toFixed(1)} us each, ${Math.round(run.busy * 100)}% busy`,
    );
    return run;
  });
  // Who is not busy all the time could do more than this generator asks for.
  const busy = [...measured].map(([name, runs]) => `${name} ${Math.round(100 * median(runs.map((run) => run.busy)))}%`);
  bench.note("busy with new connections", busy.join(", "));
  return [
    ...peerFigures("CPU per new connection", "us", "at most 2.0 x nginx", measured, (run) => run.cpu),
    ...peerFigures("new connections", "1/s", "", measured, (run) => run.perSecond),
  ];
}
