import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { CallName, FromWorker, ToWorker, WorkerCalls, WorkerFailure, WorkerStart } from "./messages.ts";

// Node takes the types out of our files by WebAssembly, in each thread that loads one without compiled code. When two threads give
// the same call out of it a faster wrapper at one moment, V8 (13.6) frees one of them twice and the process dies, once in some
// thousand starts of workers. So no wrapper ever becomes faster.
setFlagsFromString("--wasm-wrapper-tiering-budget=2147483647");

// By itself V8 lets a heap grow by half or so before it collects it all, which then happens, moving what lives, in the middle of a
// swap: a large table and its successor live at once. Asked by V8 whenever it sets such a limit, in every thread.
setFlagsFromString("--heap-growing-percent=200");

/** The worker ended before it had answered. `cause`: what ended it, when it was an error. */
export class WorkerLostError extends Error {
  constructor(cause: unknown) {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    super(`a worker of the relay ended${why}`, cause === null ? {} : { cause });
    this.name = "WorkerLostError";
  }
}

export interface ThreadHandlers {
  /** Everything but answers. */
  onMessage(message: Exclude<FromWorker, { kind: "answer" | "failure" }>): void;
  /** Once. Everything it said has been heard. @param error what ended it, when it was an error. */
  onEnd(error: unknown): void;
}

const END_MS = 1_000;

/**
 * Of a worker, in MiB. A collection of the young copies what is still in use, and nearly all that makes up a new table is: at
 * the size that V8 chooses this takes 8 to 16 ms again and again while a table comes, at this one 3.
 */
const YOUNG_GENERATION_MB = 12;

interface Pending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** One worker, as its coordinator sees it. */
export class WorkerThread {
  readonly #thread: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended = false;
  #error: unknown = null;
  readonly #exited: Promise<void>;

  constructor(start: WorkerStart, handlers: ThreadHandlers) {
    this.#thread = new Worker(new URL("./worker.ts", import.meta.url), {
      name: `relay ${start.worker}`,
      workerData: start,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#thread.on("message", (message: FromWorker) => {
      if (message.kind === "answer") this.#take(message.id)?.resolve(message.answer);
      else if (message.kind === "failure") this.#take(message.id)?.reject(toError(message.error));
      else handlers.onMessage(message);
    });
    this.#thread.on("error", (error) => {
      this.#error = error;
    });
    const { promise, resolve: exited } = Promise.withResolvers<void>();
    this.#exited = promise;
    this.#thread.on("exit", () => {
      this.#ended = true;
      exited();
      for (const { reject } of this.#pending.values()) reject(new WorkerLostError(this.#error));
      this.#pending.clear();
      handlers.onEnd(this.#error);
    });
  }

  /** Rejects with WorkerLostError when it ends first. */
  async call<N extends CallName>(name: N, ask: WorkerCalls[N]["ask"]): Promise<WorkerCalls[N]["answer"]> {
    if (this.#ended) throw new WorkerLostError(this.#error);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    this.tell({ kind: "call", id, name, ask });
    return (await promise) as WorkerCalls[N]["answer"];
  }

  tell(message: ToWorker): void {
    this.#thread.postMessage(message);
  }

  /** Lets it end by itself when it is done with what was asked, or ends it after a while. */
  async end(): Promise<void> {
    const overdue = setTimeout(() => void this.terminate(), END_MS);
    this.tell({ kind: "end" });
    await this.#exited;
    clearTimeout(overdue);
  }

  /** Ends it now, whatever it does. */
  async terminate(): Promise<void> {
    await this.#thread.terminate();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

function toError({ message, stack, more }: WorkerFailure): Error {
  const error = Object.assign(new Error(message), more);
  if (stack !== undefined) error.stack = stack;
  return error;
}
