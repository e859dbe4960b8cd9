import { direct } from "./direct.ts";
import type { Bench } from "../benchmark.ts";
import { HTTPS_NAME, startHttpsBackend } from "./https-backend.ts";
import type { Lab, Place } from "./lab.ts";
import { startReturnBackend } from "./nginx.ts";
import { startPeers } from "./peers.ts";
import type { Proxy, ProxyJob } from "./proxy.ts";
import { warmUp } from "./warm-up.ts";
import { wrk } from "./wrk.ts";

const WARM_UP = 20_000;
const WARM_UP_NAME = "return.bench.test";
const SECONDS = 1;

/** How HTTPS requests are made. */
export interface HttpsShape {
  /** At a time. */
  readonly connections: number;
  /** A connection for each request. */
  readonly close: boolean;
  readonly what: string;
}

/** What came of them. */
export interface HttpsRun {
  perSecond: number;
  /** One's share of the time, in microseconds. */
  each: number;
}

/**
 * The peers in front of an HTTPS backend, warmed up, the direct way first, and what makes requests through one of them for a while.
 *
 * @param place of proxies and backend.
 */
export async function startHttps(
  bench: Bench,
  lab: Lab,
  place: Place,
): Promise<{ peers: readonly Proxy[]; load(peer: Proxy, shape: HttpsShape): Promise<HttpsRun> }> {
  const backends = new Map([
    [HTTPS_NAME, await startHttpsBackend(lab, lab.workers, place)],
    [WARM_UP_NAME, await startReturnBackend(lab)],
  ]);
  const job: ProxyJob = { backends, place, helloSeconds: 5, limits: false };
  const proxies = await startPeers(bench, lab, job);
  await warmUp(lab, proxies, WARM_UP_NAME, WARM_UP);
  const load = async (peer: Proxy, { connections, close, what }: HttpsShape): Promise<HttpsRun> => {
    const url = `https://${HTTPS_NAME}:${peer.port(HTTPS_NAME)}/`;
    const threads = Math.min(connections, lab.workers);
    const { requests, seconds } = await wrk(lab, url, { connections, threads, seconds: SECONDS, place: "load", close });
    const run = { perSecond: requests / seconds, each: (seconds / requests) * 1e6 };
    bench.tell(`HTTPS, ${what}, ${peer.name}: ${Math.round(run.perSecond)} requests/s`);
    return run;
  };
  return { peers: [direct(job), ...proxies], load };
}
