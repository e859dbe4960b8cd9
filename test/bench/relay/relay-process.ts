// The relay as a process of its own, so that what it uses is known apart from who measures. Started with a RelayJob in JSON; says
// over IPC where it listens.
import { openSync, writeSync } from "node:fs";
import { accessLog } from "@helloway/edge/control/access-log";
import { createRelay } from "@helloway/edge/relay/create-relay";
import { LimitMode } from "@helloway/proto/table";
import type { LogStream } from "@helloway/runtime/logger";
import { routeObject, settingsObject } from "../../harness/table-objects.ts";
import { answerAll } from "./ask.ts";
import { type RelayQuestion, Swaps } from "./swaps.ts";

export interface RelayJob {
  /** By server name, the port of its backend on 127.0.0.1. */
  backends: readonly (readonly [name: string, port: number])[];
  workers: number;
  helloSeconds: number;
  limits: boolean;
  /** Path of the access log; null: nobody wants one. */
  accessLog: string | null;
}

const job = JSON.parse(process.argv[2] ?? "") as RelayJob;
const silent = (): void => undefined;
const relay = await createRelay({
  listen: [{ address: "127.0.0.1", port: 0 }],
  workers: job.workers,
  proxyTrusted: [],
  geoDatabase: null,
  ownSockets: [],
  edgeName: "bench",
  bootId: "bench",
  dnsServers: null,
  log: { debug: silent, info: silent, warn: say, error: say },
  ...(job.accessLog === null ? {} : { onClosed: accessLog(logTo(job.accessLog)) }),
});
// They count and admit everything.
const admitting = { connections: 1e6, connectionsPerSource: 1e6, newPerSecond: 1e6, newPerSecondPerSource: 1e6 };
const limits = job.limits ? { limits: { ...admitting, mode: LimitMode.ENFORCE } } : {};
const routes = job.backends.map(([name, port]) =>
  routeObject(name, { hostnames: [name], backends: [{ host: "127.0.0.1", port }], ...limits }),
);
const settings = settingsObject({ hello: { timeoutMs: job.helloSeconds * 1_000, bytesMax: 32_768 } });
const { refused } = await relay.apply({ snapshot: true, objects: [settings, ...routes], removals: [] });
if (refused.length > 0) throw new Error(`refused: ${refused.map((each) => `${each.id} ${each.detail}`).join(", ")}`);
await relay.listen();
const swaps = new Swaps(relay, [settings, ...routes], job.workers);
answerAll(async (question: RelayQuestion) => await swaps.answer(question));
process.send?.(relay.listeners[0]);

/** As the agent does to its standard error. */
function logTo(path: string): LogStream {
  const file = openSync(path, "w");
  return { write: (text) => void writeSync(file, text) };
}

function say(fields: unknown, message?: string): void {
  process.stderr.write(`${message ?? ""} ${JSON.stringify(fields)}\n`);
}
