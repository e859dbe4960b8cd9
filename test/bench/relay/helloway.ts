import { fileURLToPath } from "node:url";
import type { ListenerAddress } from "@helloway/edge/relay/relay";
import { nextMessage } from "./ask.ts";
import type { ProxyKind } from "./proxy.ts";
import type { RelayJob } from "./relay-process.ts";

const file = fileURLToPath(new URL("./relay-process.ts", import.meta.url));

/** The relay alone, in a process of its own. */
export const helloway: ProxyKind = {
  name: "Helloway",
  version: () => `Node ${process.version}`,
  async start(lab, job) {
    const work: RelayJob = {
      backends: [...job.backends],
      workers: lab.workers,
      helloSeconds: job.helloSeconds,
      limits: job.limits,
    };
    const started = lab.start(process.execPath, [file, JSON.stringify(work)], job.place, { ipc: true });
    const { port } = await nextMessage<ListenerAddress>(started);
    return { name: this.name, port: () => port, pid: started.pid };
  },
};
