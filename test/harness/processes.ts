import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const helloway = fileURLToPath(new URL("../../services/cli/bin/helloway.js", import.meta.url));

const commands = { control: ["control"], agent: ["agent"], dev: ["dev"], demo: ["demo-backends"] } as const;

export type ProcessKind = keyof typeof commands;

export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it announced when it did its work; rejects, with what it said on standard error, when it ended before. */
  readonly ready: Promise<Record<string, unknown>>;
  readonly exited: Promise<ProcessEnd>;
  /** Everything written so far. */
  stdout(): string;
  stderr(): string;
  /** Sends the signal, SIGTERM when none is given, and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<ProcessEnd>;
}

export interface StartOptions {
  /** After the command. */
  args?: readonly string[];
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Descriptors that it gets from 3 on. */
  passed?: readonly number[];
}

/**
 * Starts one of Helloway's own processes with exactly the variables given (and PATH and HOME), so that the environment of
 * whoever runs the tests changes nothing. It ends with the test runner, however that ends.
 */
export function startProcess(
  kind: ProcessKind,
  env: Record<string, string>,
  options: StartOptions = {},
): RunningProcess {
  const child = spawn(process.execPath, [helloway, ...commands[kind], ...(options.args ?? [])], {
    cwd: options.cwd ?? repository,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", ...env },
    stdio: ["ignore", "pipe", "pipe", ...(options.passed ?? []), "ipc"],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const exited = new Promise<ProcessEnd>((resolve, reject) => {
    child.once("error", reject);
    // "close" rather than "exit": by then everything it wrote has arrived.
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const ready = announced(child, exited, () => `helloway ${kind} ended before it was ready:\n${stderr()}${stdout()}`);
  // Who awaits neither must not fail for it.
  exited.catch(() => undefined);
  ready.catch(() => undefined);
  const kill = async (signal: NodeJS.Signals = "SIGTERM"): Promise<ProcessEnd> => {
    child.kill(signal);
    return exited;
  };
  return {
    pid: child.pid ?? -1,
    ready,
    exited,
    stdout,
    stderr,
    kill,
    [Symbol.asyncDispose]: async () => {
      await kill("SIGKILL");
    },
  };
}

function announced(
  child: ChildProcess,
  exited: Promise<ProcessEnd>,
  why: () => string,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    child.on("message", (message) => {
      if (typeof message !== "object" || message === null || !("helloway" in message)) return;
      const { helloway: what, ...info } = message;
      if (what === "ready") resolve(info);
    });
    exited.then(() => reject(new Error(why())), reject);
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
