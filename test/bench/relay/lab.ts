// Where one figure is measured: a directory for configurations and the processes that take part, all of which are gone when it is
// disposed of, when this process ends for whatever reason, and on Ctrl-C.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { accepts } from "../accepts.ts";
import { processTree } from "./process-tree.ts";

/** Which cores a process may use: those of the proxy under test, or those of everything else. */
export type Place = "proxy" | "load" | "anywhere";

const READY_MS = 20_000;
const END_MS = 5_000;

const labs = new Set<Lab>();
process.on("exit", () => {
  for (const lab of labs) lab.abandon();
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

export class Lab implements AsyncDisposable {
  readonly workers: number;
  readonly directory = mkdtempSync(join(tmpdir(), "helloway-bench-"));
  readonly #children = new Set<ChildProcess>();

  /** @param workers of every proxy. */
  constructor(workers = 1) {
    this.workers = workers;
    labs.add(this);
  }

  /** Writes a file of the directory and answers with its path. */
  file(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** What to run so that a program runs on the cores of its place. */
  command(program: string, args: readonly string[], place: Place): [command: string, ...args: string[]] {
    if (place === "anywhere" || !pinned(this.workers)) return [program, ...args];
    const last = availableParallelism() - 1;
    const cores = place === "proxy" ? `0-${this.workers - 1}` : `${this.workers}-${last}`;
    return ["taskset", "-c", cores, program, ...args];
  }

  /**
   * Starts a program on the cores of its place. `exited` rejects with what it said when it ends before the lab does.
   *
   * @param options.ipc whether it is one of ours and speaks over IPC.
   */
  start(program: string, args: readonly string[], place: Place, options: { ipc?: boolean } = {}): LabProcess {
    const [command, ...rest] = this.command(program, args, place);
    const child = spawn(command, rest, {
      stdio: options.ipc ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
    });
    this.#children.add(child);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (text: string) => (said = (said + text).slice(-4_096)));
    }
    const exited = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        this.#children.delete(child);
        reject(new Error(`${program} ended (${code ?? signal}): ${said.trim()}`));
      });
    });
    exited.catch(() => undefined);
    return { child, pid: child.pid ?? -1, exited };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#children].map(async (child) => {
      child.kill("SIGTERM");
      await Promise.race([once(child, "exit"), new Promise((resolve) => setTimeout(resolve, END_MS).unref())]);
    });
    await Promise.all(ended);
    this.abandon();
  }

  /** Ends at once what is left. */
  abandon(): void {
    labs.delete(this);
    for (const child of this.#children) {
      // Whole trees: the worker of a proxy outlives a master that is killed.
      for (const pid of processTree(child.pid ?? -1).toReversed()) process.kill(pid, "SIGKILL");
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface LabProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<never>;
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until the process accepts on the port. */
export async function accepting(port: number, of: LabProcess): Promise<void> {
  const until = performance.now() + READY_MS;
  while (!(await accepts(port))) {
    if (performance.now() > until) throw new Error(`nobody accepts on port ${port}`);
    await Promise.race([of.exited, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
}

/** What follows the program's name on its version line, or null when it is not installed. */
export function installed(program: string, versionArgument: string): string | null {
  try {
    const said = execFileSync("sh", ["-c", `exec ${program} ${versionArgument} 2>&1`], { encoding: "utf8" });
    return said.split("\n")[0]?.trim() ?? "";
  } catch (error) {
    // wrk tells its version and fails all the same; 127 is what the shell answers when there is no such program.
    const { status, stdout } = error as { status?: number; stdout?: string };
    return status === 127 ? null : ((stdout ?? "").split("\n")[0]?.trim() ?? "");
  }
}

/** Whether proxies have cores of their own, with at least one left for everything else. */
export function pinned(workers: number): boolean {
  return availableParallelism() > workers && installed("taskset", "--version") !== null;
}
