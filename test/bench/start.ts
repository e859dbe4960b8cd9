// How long a person waits: `helloway dev` from nothing and again, and an agent alone that serves from disk.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCountingBackend } from "../harness/counting-backend.ts";
import { startInstallation } from "../harness/installation.ts";
import { startProcess } from "../harness/processes.ts";
import { visit } from "../harness/tls-visit.ts";
import { accepts } from "./accepts.ts";
import { type Benchmark, toFigure } from "./benchmark.ts";

const runs = 5;

export const startBenchmark: Benchmark = {
  name: "start",
  async run({ tell }) {
    const first: number[] = [];
    const second: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const directory = await mkdtemp(join(tmpdir(), "helloway-bench-"));
      first.push(await devStart(directory));
      second.push(await devStart(directory));
      await rm(directory, { recursive: true, force: true });
      tell(`dev ready in ${Math.round(first.at(-1) ?? 0)} ms from nothing, ${Math.round(second.at(-1) ?? 0)} ms again`);
    }
    const alone = await agentAlone(tell);
    return [
      toFigure("dev ready, nothing there yet", "ms", "under 10,000", first),
      toFigure("dev ready, second start", "ms", "under 3,000", second),
      toFigure("agent started alone: first connection served", "ms", "under 500", alone),
    ];
  },
};

async function devStart(directory: string): Promise<number> {
  const started = performance.now();
  await using dev = startProcess("dev", {
    HELLOWAY_DATA_DIR: directory,
    HELLOWAY_HTTP_ADDRESS: "127.0.0.1:0",
    HELLOWAY_GRPC_ADDRESS: "127.0.0.1:0",
    HELLOWAY_EDGE_LISTEN: "127.0.0.1:0",
    HELLOWAY_EDGE_ADMIN: "127.0.0.1:0",
  });
  await dev.ready;
  const took = performance.now() - started;
  await dev.kill("SIGTERM");
  return took;
}

async function agentAlone(tell: (line: string) => void): Promise<number[]> {
  await using installation = await startInstallation();
  await using backend = await startCountingBackend(["app.shop.test"], "app");
  await installation.prepare({ pool: "public", team: "shop", domain: "shop.test" });
  const edge = await installation.addEdge("public", "edge-1");
  await installation.api("PUT", "/teams/shop/routes/app", {
    spec: { pool: "public", hostnames: ["app.shop.test"], backends: [{ address: backend.address }] },
  });
  const served = async (): Promise<boolean> =>
    await visit({ port: edge.port, servername: "app.shop.test", ca: backend.cert }).then(
      () => true,
      () => false,
    );
  while (!(await served())) await new Promise((resolve) => setTimeout(resolve, 50));
  await installation.control.kill("SIGKILL");
  const took: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await edge.process.kill("SIGKILL");
    const started = performance.now();
    const again = edge.restart();
    // A bare connection tells when it accepts and costs the two cores little; then one whole TLS connection must be served.
    while (!(await accepts(edge.port))) await new Promise((resolve) => setTimeout(resolve, 5));
    if (!(await served())) throw new Error("the agent accepted and did not serve");
    took.push(performance.now() - started);
    await again;
    tell(`agent alone served after ${Math.round(took.at(-1) ?? 0)} ms`);
  }
  return took;
}
