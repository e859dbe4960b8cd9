// New connections: connect, hello, an answer of 61 bytes, close. Once at an equal pace that every proxy can keep, which is the same
// work for all; and once as many as go. In the latter a slow proxy has to wake a generator and a backend that have gone to sleep
// meanwhile, which costs it, and a fast one finds them awake. And at the equal pace once more with an access log, which Helloway
// writes unless it is told not to and nginx when it is told to.
import { type Bench, type Figure, median } from "../benchmark.ts";
import { direct } from "./direct.ts";
import { helloFor } from "./hello.ts";
import { helloway } from "./helloway.ts";
import { Lab } from "./lab.ts";
import { nginx, startReturnBackend } from "./nginx.ts";
import { startPeers } from "./peers.ts";
import { plainPipe } from "./pipe.ts";
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
/** Each of the 64 clients waits this long before its hello: together 10,000 to 12,000 connections a second. */
const PACE_MS = 4;
const BAR = "at most 2.0 x nginx";

export async function measureConnections(bench: Bench): Promise<Figure[]> {
  await using lab = new Lab();
  const backends = new Map([[NAME, await startReturnBackend(lab)]]);
  const job: ProxyJob = { backends, place: "proxy", helloSeconds: 5, limits: false };
  const peers = await startPeers(bench, lab, job, plainPipe);
  const kinds = [helloway, nginx].filter((kind) => kind.version() !== null);
  const logging = await Promise.all(kinds.map((kind) => kind.start(lab, { ...job, accessLog: true })));
  await warmUp(lab, [...peers, ...logging], NAME, WARM_UP);
  const measure = async (peer: Proxy, pauseMs: number) => {
    const script = wrkScript(helloFor(NAME), pauseMs);
    const before = peer.pid === null ? null : cpuMicroseconds(peer.pid);
    const work = { connections: CONNECTIONS, seconds: SECONDS, place: "load", script } as const;
    const { requests, seconds } = await wrk(lab, urlOf(peer, NAME), work);
    const cpu = before === null || peer.pid === null ? null : cpuMicroseconds(peer.pid) - before;
    const run = {
      perSecond: requests / seconds,
      cpu: cpu === null ? null : cpu / requests,
      busy: (cpu ?? 0) / seconds / 1e6,
    };
    bench.tell(
      `${peer.name}: ${Math.round(run.perSecond)} connections/s, ${run.cpu?.toFixed(1) ?? "-"} us each, ${Math.round(run.busy * 100)}% busy`,
    );
    return run;
  };
  const paced = await inRounds(ROUNDS, peers, (peer) => measure(peer, PACE_MS));
  const logged = await inRounds(ROUNDS, logging, (peer) => measure(peer, PACE_MS));
  const measured = await inRounds(ROUNDS, [direct(job), ...peers], (peer) => measure(peer, 0));
  // Who is not busy all the time could do more than this generator asks for.
  const busy = [...measured].map(([name, runs]) => `${name} ${Math.round(100 * median(runs.map((run) => run.busy)))}%`);
  bench.note("busy with new connections", busy.join(", "));
  return [
    ...peerFigures("CPU per new connection, equal pace", "us", BAR, paced, (run) => run.cpu),
    ...peerFigures("new connections, equal pace", "1/s", "", paced, (run) => run.perSecond),
    ...peerFigures("CPU per new connection with an access log, equal pace", "us", BAR, logged, (run) => run.cpu),
    ...peerFigures("CPU per new connection, as many as go", "us", BAR, measured, (run) => run.cpu),
    ...peerFigures("new connections, as many as go", "1/s", "", measured, (run) => run.perSecond),
  ];
}
