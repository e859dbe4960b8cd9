// A worker thread: an engine, and the wire to its coordinator. What it throws and nobody catches ends the thread, and the
// coordinator makes another.
import { parentPort, workerData } from "node:worker_threads";
import { openThreadSplice } from "../socket/splice.ts";
import { Engine } from "./engine.ts";
import type { ApplyCall, CallName, FromWorker, ListenCall, ToWorker, WorkerFailure, WorkerStart } from "./messages.ts";

/** Records are handed over at least this often, and never more at once. */
const RECORDS_EVERY_MS = 20;
const RECORDS_MAX = 256;

const port = parentPort;
if (port === null) throw new Error("this is a worker of the relay, no program of its own");
const tell = (message: FromWorker): void => port.postMessage(message);

let lines = "";
let records = 0;
let timer: NodeJS.Timeout | null = null;

function handOver(): void {
  if (timer) clearTimeout(timer);
  timer = null;
  if (records === 0) return;
  tell({ kind: "records", lines });
  lines = "";
  records = 0;
}

const log =
  (level: "debug" | "info" | "warn" | "error") =>
  (fields: object, message = ""): void =>
    tell({ kind: "log", level, fields: cloneable(fields), message });

await openThreadSplice((err) => log("info")({ err }, "no splice(2) here: large transfers are copied"));

const engine = new Engine(workerData as WorkerStart, {
  log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") } as never,
  onRecord(record) {
    lines += `${JSON.stringify(record)}\n`;
    if (++records >= RECORDS_MAX) handOver();
    else timer ??= setTimeout(handOver, RECORDS_EVERY_MS);
  },
  onTraffic: (announcement) => tell({ kind: "traffic", announcement }),
  evictElsewhere: (worker, source) => tell({ kind: "evict", worker, source }),
});

const calls: Record<CallName, (ask: never) => unknown> = {
  listen: (ask: ListenCall) => engine.listen(ask),
  setOwnSockets: (ask: Parameters<Engine["setOwnSockets"]>[0]) => engine.setOwnSockets(ask),
  setEdgeName: ({ name }: { name: string }) => engine.setEdgeName(name),
  apply: (ask: ApplyCall) => engine.apply(ask),
  flush: ({ freed }: { freed: readonly number[] }) => engine.flush(freed),
  cut: ({ routeUid }: { routeUid: string | null }) => engine.cut(routeUid),
  drain: ({ timeoutMs }: { timeoutMs: number }) => engine.drain(timeoutMs),
  resume: () => engine.resume(),
  close: () => engine.close(),
};

async function answer(id: number, name: CallName, ask: unknown): Promise<void> {
  try {
    const result = await calls[name](ask as never);
    // What happened before the answer is told before it.
    handOver();
    tell({ kind: "answer", id, answer: result });
  } catch (error) {
    tell({ kind: "failure", id, error: toFailure(error) });
  }
}

port.on("message", (message: ToWorker) => {
  if (message.kind === "end") port.close();
  else if (message.kind === "evict") engine.evictOldest(message.source);
  else if (message.kind === "relieve") engine.relieve();
  else void answer(message.id, message.name, message.ask);
});

function toFailure(error: unknown): WorkerFailure {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, more: {} };
  const { code, errno, syscall, address, port: at } = error as Error & WorkerFailure["more"];
  return { message: error.message, stack: error.stack, more: { code, errno, syscall, address, port: at } };
}

/** Errors lose what they are called when they are cloned: they go as their stack. */
function cloneable(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? { type: value.name, message: value.message, stack: value.stack } : value,
    ]),
  );
}
