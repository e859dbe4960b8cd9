import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ToldError } from "@helloway/runtime/told-error";

/** Enough to see why a process ended, short enough to be read. */
const lastLinesMax = 15;

/** After a polite request to end. */
const stopTimeoutMs = 5000;

export interface ChildOptions {
  /** What it is called in a message: "the control plane". */
  title: string;
  command: string;
  env: NodeJS.ProcessEnv;
  /** Each line of its standard output and error. */
  onLine: (line: string) => void;
  /** It ended and nobody had asked it to. */
  onLost: (error: Error) => void;
}

export interface Child {
  /** What it announced when it did its work. */
  ready: Promise<Record<string, unknown>>;
  /** Asks it to end, and makes it end when it does not within 5 s. */
  stop(): Promise<void>;
  /** At once, and without waiting. */
  kill(): void;
}

/**
 * Starts `helloway <command>` as a process of its own. It is in a process group of its own, so that a Ctrl-C reaches the launcher
 * only, which ends them in order; it notices by its IPC channel when the launcher is gone without having done that.
 */
export function startChild(options: ChildOptions): Child {
  const child = spawn(process.execPath, [process.argv[1] ?? "", options.command], {
    env: options.env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lastLines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      lastLines.push(line);
      if (lastLines.length > lastLinesMax) lastLines.shift();
      options.onLine(line);
    });
  }
  let stopping = false;
  // "close" comes after the last line has been read; "error" instead when it could not even be started.
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      options.onLost(new ToldError(`${options.title} could not be started: ${error.message}`, { cause: error }));
      resolve();
    });
    child.once("close", (code, signal) => {
      if (!stopping) options.onLost(new ToldError(lostMessage(options.title, code, signal, lastLines)));
      resolve();
    });
  });
  return {
    ready: announced(child),
    kill() {
      stopping = true;
      child.kill("SIGKILL");
    },
    async stop() {
      stopping = true;
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await ended;
      clearTimeout(killer);
    },
  };
}

/** Never settles for a process that ends before: onLost tells. */
async function announced(child: ChildProcess): Promise<Record<string, unknown>> {
  for (;;) {
    const [message]: unknown[] = await once(child, "message");
    if (typeof message !== "object" || message === null || !("helloway" in message)) continue;
    const { helloway: what, ...info } = message;
    if (what === "ready") return info;
  }
}

function lostMessage(
  title: string,
  code: number | null,
  signal: NodeJS.Signals | null,
  lines: readonly string[],
): string {
  const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
  const words =
    lines.length === 0 ? " It said nothing." : ` Its last lines:\n${lines.map((line) => `    ${line}`).join("\n")}`;
  return `${title} ended unexpectedly (${how}), so everything was stopped.${words}`;
}
