import type { Bench } from "../benchmark.ts";
import { haproxy } from "./haproxy.ts";
import { helloway } from "./helloway.ts";
import { type Lab, pinned } from "./lab.ts";
import { nginx } from "./nginx.ts";
import type { Proxy, ProxyJob, ProxyKind } from "./proxy.ts";
import { sniproxy } from "./sniproxy.ts";

const kinds: readonly ProxyKind[] = [helloway, nginx, haproxy, sniproxy];

/**
 * Starts one proxy of every kind that is installed, for the same job; notes versions and what is missing.
 *
 * @param further kinds that take part in this figure alone.
 */
export async function startPeers(bench: Bench, lab: Lab, job: ProxyJob, ...further: ProxyKind[]): Promise<Proxy[]> {
  const peers: Proxy[] = [];
  for (const kind of [...kinds, ...further]) {
    const version = kind.version();
    bench.note(kind.name, version ?? "not installed");
    if (version !== null) peers.push(await kind.start(lab, job));
  }
  const pins = `proxies on ${lab.workers} of the cores, load and backends on the others`;
  bench.note("placement", pinned(lab.workers) ? pins : "nothing is pinned");
  return peers;
}
