// The agent's engine as a process of its own, for what can only be tried on a whole process: its memory, its descriptors, its
// threads. Started with what node-relay-process.ts calls its start, in JSON; says over IPC where it listens, and then does what it is
// asked.
import { closeSync, openSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import type { Worker } from "node:worker_threads";
import { createRelay } from "./engine.ts";
import type { ConnectionRecord, DrainOptions, TableUpdate } from "@helloway/edge/relay/relay";
import { exhaustHeap } from "./exhausted-heap.ts";
import type { Ask, Asked, RelayProcessStart, Told } from "./node-relay-process.ts";
import { usedMemory } from "./used-memory.ts";

const { workers, listen, heapMib } = JSON.parse(process.argv[2]!) as RelayProcessStart;
// Of the threads that are started from now on.
if (heapMib !== null) setFlagsFromString(`--max-old-space-size=${heapMib}`);
const threads: Worker[] = [];
process.on("worker", (thread) => threads.push(thread));
const occupied: number[] = [];
const ended: Told["ended"] = { records: 0, reasons: {} };
const logged: Told["logged"] = [];
const log =
  (level: string) =>
  (fields: { err?: unknown }, message = ""): void => {
    logged.push({ level, message, error: fields.err instanceof Error ? fields.err.message : undefined });
  };

const relay = await createRelay({
  listen,
  workers,
  proxyTrusted: [],
  geoDatabase: null,
  ownSockets: [],
  edgeName: "edge",
  bootId: "boot",
  dnsServers: null,
  log: {
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
    isLevelEnabled: (level) => level !== "debug",
  },
  onClosed(lines) {
    for (const line of lines.slice(0, -1).split("\n")) {
      const { reason } = JSON.parse(line) as ConnectionRecord;
      ended.records++;
      ended.reasons[reason] = (ended.reasons[reason] ?? 0) + 1;
    }
  },
});
await relay.listen();
let failure: string | null = null;
relay.failed.catch((error: Error) => {
  failure = error.message;
});

const calls: { [N in keyof Asked]: (ask: Asked[N]) => Promise<Told[N]> } = {
  apply: async (update: TableUpdate) => (await relay.apply(update)).refused.map(({ code }) => code),
  counters: () => relay.counters(),
  ended: async () => ended,
  logged: async () => logged,
  drain: (options: DrainOptions) => relay.drain(options),
  resume: () => relay.resume(),
  close: () => relay.close(),
  failed: async () => failure,
  kill: async (nth) => void (await threads[nth]?.terminate()),
  exhaust: async (nth) => exhaustHeap(threads[nth]!.threadId),
  occupy: async (count) => {
    for (let i = 0; i < count; i++) occupied.push(openSync("/dev/null", "r"));
  },
  release: async () => occupied.splice(0).forEach((descriptor) => closeSync(descriptor)),
  resident: async () => process.memoryUsage.rss(),
  usedMemory: () => usedMemory(workers),
};

process.on("message", ({ id, name, ask }: Ask) => {
  const call = calls[name] as (ask: unknown) => Promise<unknown>;
  call(ask).then(
    (told) => process.send?.({ id, told }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.stack : String(error) }),
  );
});
process.on("disconnect", () => process.exit());
process.send?.(relay.listeners);
