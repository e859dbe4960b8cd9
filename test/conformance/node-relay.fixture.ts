// The agent's engine as a process of its own, for what can only be tried on a whole process: its memory, its descriptors.
// Started with the number of workers; says over IPC where it listens, and then does what it is asked.
import { createRelay } from "@helloway/edge/relay/create-relay";
import type { TableUpdate } from "@helloway/edge/relay/relay";
import type { Ask, Asked, Told } from "./node-relay-process.ts";
import { usedMemory } from "./used-memory.ts";

const workers = Number(process.argv[2]);
const ended: Told["ended"] = { records: 0, reasons: {} };
let errors = 0;
const silent = (): void => undefined;

const relay = await createRelay({
  listen: [{ address: "127.0.0.1", port: 0 }],
  workers,
  proxyTrusted: [],
  geoDatabase: null,
  ownSockets: [],
  edgeName: "edge",
  bootId: "boot",
  dnsServers: null,
  log: {
    debug: silent,
    info: silent,
    warn: silent,
    error: () => errors++,
    isLevelEnabled: (level) => level !== "debug",
  },
  onClose: ({ reason }) => {
    ended.records++;
    ended.reasons[reason] = (ended.reasons[reason] ?? 0) + 1;
  },
});
await relay.listen();

const calls: { [N in keyof Asked]: (ask: Asked[N]) => Promise<Told[N]> } = {
  apply: async (update: TableUpdate) => (await relay.apply(update)).refused.map(({ code }) => code),
  counters: () => relay.counters(),
  ended: async () => ended,
  errors: async () => errors,
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
process.send?.(relay.listeners[0]);
