// The agent's engine as a process of its own that is drained or closed while it begins to listen. Started with what is to happen
// meanwhile; its listening sockets are passed. Says over IPC where it listens (null: listen() rejected) once all of it is over, and ends
// a worker when it is told to.
import type { Worker } from "node:worker_threads";
import { createRelay } from "./engine.ts";
import type { ListenerAddress } from "@helloway/edge/relay/relay";

const [meanwhile, own, ...descriptors] = process.argv.slice(2);
const threads: Worker[] = [];
process.on("worker", (thread) => threads.push(thread));
const silent = (): void => undefined;
const say = (what: { listeners: readonly ListenerAddress[] | null } | { replaced: true } | { failed: string }): void =>
  void process.send?.(what);

const relay = await createRelay({
  listen: [
    // One of its own is tried first, which takes time.
    ...(own === "own" ? [{ address: "127.0.0.1", port: 0 }] : []),
    { name: "passed", descriptors: descriptors.map(Number) },
  ],
  workers: 2,
  proxyTrusted: [],
  geoDatabase: null,
  ownSockets: [],
  edgeName: "edge",
  bootId: "boot",
  dnsServers: null,
  log: {
    debug: silent,
    warn: silent,
    error: silent,
    info: (_fields: unknown, message = "") => {
      if (message.startsWith("a worker has taken the place")) say({ replaced: true });
    },
  },
});
relay.failed.catch((error: Error) => say({ failed: error.message }));
process.on("message", (nth: number) => void threads[nth]?.terminate());
process.on("disconnect", () => process.exit());

const listening = relay.listen().then(
  () => relay.listeners,
  () => null,
);
if (meanwhile === "close") await relay.close();
else await relay.drain({ timeoutMs: 0 });
if (meanwhile === "drain and resume") await relay.resume();
say({ listeners: await listening });
