// The engine in a process of its own (node-relay.fixture.ts), as a test sees it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:net";
import { fileURLToPath } from "node:url";
import type { CloseReason } from "@helloway/routing/close-reason";
import type { Counters, DrainOptions, ListenerAddress, TableUpdate } from "@helloway/edge/relay/relay";
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
  /** Above debug. */
  logged: { level: string; message: string }[];
  drain: void;
  resume: void;
  close: void;
  /** Why it cannot go on; null: it can. */
  failed: string | null;
  kill: void;
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
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** The first that is passed: after stdin, stdout, stderr and IPC. */
const PASSED_FIRST = 4;

/** Listens on 127.0.0.1, with no table yet. */
export async function startRelayProcess({
  workers,
  descriptors,
  passed = [],
}: RelayProcessOptions): Promise<RelayProcess> {
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors};`;
  const program = [
    process.execPath,
    "--expose-gc",
    "--import",
    path("./used-memory.ts"),
    path("./node-relay.fixture.ts"),
  ];
  const args = [workers, ...passed.map((_, i) => PASSED_FIRST + i)].map(String);
  const child = spawn("sh", ["-c", `${limit} exec "$@"`, "sh", ...program, ...args], {
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
