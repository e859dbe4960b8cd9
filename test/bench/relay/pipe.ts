import { fileURLToPath } from "node:url";
import type { AddressInfo } from "node:net";
import { nextMessage } from "./ask.ts";
import type { ProxyKind } from "./proxy.ts";

const file = fileURLToPath(new URL("./pipe-process.ts", import.meta.url));

/** What a relay in Node costs before it does anything of what a relay is for: a baseline, for work with one backend. */
export const plainPipe: ProxyKind = {
  name: "plain pipe()",
  version: () => `Node ${process.version}`,
  async start(lab, job) {
    const [backend] = job.backends.values();
    const started = lab.start(process.execPath, [file, String(backend)], job.place, { ipc: true });
    const { port } = await nextMessage<AddressInfo>(started);
    return { name: this.name, port: () => port, pid: started.pid };
  },
};
