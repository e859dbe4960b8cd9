// The engine in a process of its own (node-relay.fixture.ts), as a test sees it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:net";
import { fileURLToPath } from "node:url";
import type { CloseReason } from "@helloway/routing/close-reason";
import type { Counters, DrainOptions, ListenerAddress, ListenerSpec, TableUpdate } from "@helloway/edge/relay/relay";
import type { UsedMemory } from "./used-memory.ts";

/** What it can be asked for, by name: what is said, and what is told. */
export interface Asked {
  apply: TableUpdate;
  counters: null;
  ended: null;
  logged: null;
  drain: DrainOptions;
  resume: null;
  close: null;
  failed: null;
  /** Ends the thread that was started as this one, from 0; replacements count on. */
  kill: number;
  /** Lets that thread fill its heap until it has no more; returns as soon as it is told to. */
  exhaust: number;
  /** Opens as many files, or closes those that it opened. */
  occupy: number;
  release: null;
  resident: null;
  usedMemory: null;
}

export interface Told {
  /** Codes of what was refused. */
  apply: string[];
  counters: Counters;
  /** The records of connections, counted. */
  ended: { records: number; reasons: Partial<Record<CloseReason, number>> };
  /** Above debug. `error`: what the error says that came with it. */
  logged: { level: string; message: string; error?: string | undefined }[];
  drain: void;
  resume: void;
  close: void;
  /** Why it cannot go on; null: it can. */
  failed: string | null;
  kill: void;
  exhaust: void;
  occupy: void;
  release: void;
  /** Of the process, as it is. Bytes. */
  resident: number;
  usedMemory: UsedMemory;
}

export interface Ask {
  id: number;
  name: keyof Asked;
  ask: unknown;
}

type Answer = { id: number } & ({ told: unknown } | { error: string });

export interface RelayProcess extends AsyncDisposable {
  readonly pid: number;
  /** The first of its listeners. */
  readonly listener: ListenerAddress;
  readonly listeners: readonly ListenerAddress[];
  ask<N extends keyof Asked>(name: N, ask: Asked[N]): Promise<Told[N]>;
}

export interface RelayProcessOptions {
  workers: number;
  /** The system's limit of open files; absent: as it is. */
  descriptors?: number;
  /** Listening sockets of this process that it accepts from; absent: it listens by itself. */
  passed?: readonly Server[];
  /** Where it listens by itself; absent: 127.0.0.1 and any port. */
  listen?: readonly ListenerAddress[];
  /** A command that becomes the one which follows it, without a process of its own between: "unshare --net". */
  within?: readonly string[];
  /** How much heap a worker may have (its old generation, MiB); absent: as V8 decides. */
  heapMib?: number;
}

/** What the process is started with. */
export interface RelayProcessStart {
  workers: number;
  listen: readonly ListenerSpec[];
  heapMib: number | null;
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** The first that is passed: after stdin, stdout, stderr and IPC. */
const PASSED_FIRST = 4;

/** Listens, with no table yet. */
export async function startRelayProcess({
  workers,
  descriptors,
  passed = [],
  listen = [{ address: "127.0.0.1", port: 0 }],
  within = [],
  heapMib,
}: RelayProcessOptions): Promise<RelayProcess> {
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors};`;
  const program = [
    ...within,
    process.execPath,
    "--expose-gc",
    "--import",
    path("./used-memory.ts"),
    "--import",
    path("./exhausted-heap.ts"),
    path("./node-relay.fixture.ts"),
  ];
  const start: RelayProcessStart = {
    workers,
    listen: passed.length > 0 ? [{ name: "passed", descriptors: passed.map((_, i) => PASSED_FIRST + i) }] : listen,
    heapMib: heapMib ?? null,
  };
  const child = spawn("sh", ["-c", `${limit} exec "$@"`, "sh", ...program, JSON.stringify(start)], {
    stdio: ["ignore", "ignore", "inherit", "ipc", ...passed.map(descriptorOf)],
    serialization: "advanced",
  });
  const exited = once(child, "exit");
  const ended = exited.then(([code, signal]) => {
    throw new Error(`the process of the engine ended: ${code ?? signal}`);
  });
  ended.catch(() => undefined);
  const [listeners] = (await Promise.race([once(child, "message"), ended])) as [ListenerAddress[]];
  const waiting = new Map<number, (answer: Answer) => void>();
  child.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let asked = 0;
  return {
    pid: child.pid!,
    listener: listeners[0]!,
    listeners,
    async ask<N extends keyof Asked>(name: N, ask: Asked[N]): Promise<Told[N]> {
      const id = ++asked;
      const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve));
      child.send({ id, name, ask } satisfies Ask);
      const answer = await Promise.race([answered, ended]);
      if ("error" in answer) throw new Error(answer.error);
      return answer.told as Told[N];
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function descriptorOf(server: Server): number {
  return (server as Server & { _handle: { fd: number } })._handle.fd;
}
