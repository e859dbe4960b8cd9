import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ListenerAddress } from "@helloway/edge/relay/relay";
import { nextMessage } from "./ask.ts";
import type { Lab, LabProcess } from "./lab.ts";
import type { ProxyJob, ProxyKind } from "./proxy.ts";
import type { RelayJob } from "./relay-process.ts";

const file = fileURLToPath(new URL("./relay-process.ts", import.meta.url));

/** The relay alone, in a process of its own. */
export const helloway: ProxyKind = {
  name: "Helloway",
  version: () => `Node ${process.version}`,
  async start(lab, job) {
    const { port, started } = await startRelay(lab, job, []);
    return { name: this.name, port: () => port, pid: started.pid };
  },
};

/** @param nodeOptions of its process. */
export async function startRelay(
  lab: Lab,
  job: ProxyJob,
  nodeOptions: readonly string[],
): Promise<{ port: number; started: LabProcess }> {
  const work: RelayJob = {
    backends: [...job.backends],
    workers: lab.workers,
    helloSeconds: job.helloSeconds,
    limits: job.limits,
    accessLog: job.accessLog ? join(lab.directory, "helloway-access.log") : null,
  };
  const started = lab.start(process.execPath, [...nodeOptions, file, JSON.stringify(work)], job.place, { ipc: true });
  const { port } = await nextMessage<ListenerAddress>(started);
  return { port, started };
}
