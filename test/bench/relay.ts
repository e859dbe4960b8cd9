// The relay against the proxies people use for the same: nginx `stream`, HAProxy and sniproxy, whichever are installed. Every figure
// is measured in rounds, one peer after the other, and what counts is the ratio to nginx of the same round.
import type { Bench, Benchmark, Figure } from "./benchmark.ts";
import { measureConnections } from "./relay/cpu-per-connection.ts";
import { measureHelloParse } from "./relay/hello-parse.ts";
import { measureHttps } from "./relay/https-overhead.ts";
import { measureLatency } from "./relay/latency.ts";
import { measureLookup } from "./relay/lookup.ts";
import { measureMemory } from "./relay/memory.ts";
import { measureSwap } from "./relay/swap.ts";
import { measureHandshakes } from "./relay/tls-handshakes.ts";
import { measureThroughput } from "./relay/throughput.ts";

const measures: Record<string, (bench: Bench) => Promise<Figure[]>> = {
  "cpu-per-connection": measureConnections,
  throughput: measureThroughput,
  latency: measureLatency,
  "https-overhead": measureHttps,
  "tls-handshakes": measureHandshakes,
  memory: measureMemory,
  lookup: measureLookup,
  swap: measureSwap,
  "hello-parse": measureHelloParse,
};

export const relayBenchmark: Benchmark = {
  name: "relay",
  figures: Object.keys(measures),
  async run(bench) {
    const figures: Figure[] = [];
    for (const [name, measure] of Object.entries(measures)) {
      if (bench.wants(name)) figures.push(...(await measure(bench)));
    }
    return figures;
  },
};
