import type { Worker } from "node:worker_threads";
import type { EmbeddedDatabaseError } from "./connection-loss.ts";
import type { EmbeddedFailure, EmbeddedReply, EmbeddedRequest, EmbeddedRows } from "./embedded-protocol.ts";
import { assertOutsideTransaction, inTransactionScope } from "./transaction-scope.ts";

/** What drizzle's PGlite session asks of a client, and of a transaction. */
export interface EmbeddedQueries {
  query(sql: string, params?: unknown[], options?: { rowMode?: "array" | "object" }): Promise<EmbeddedRows>;
  exec(sql: string): Promise<void>;
}

type RequestBody = EmbeddedRequest extends infer R ? (R extends EmbeddedRequest ? Omit<R, "id"> : never) : never;

interface Waiter {
  resolve(result: EmbeddedRows): void;
  reject(error: Error): void;
}

/** The statement was refused by the database; has what pg's DatabaseError has. */
class EmbeddedStatementError extends Error {
  override readonly name = "EmbeddedStatementError";
  readonly code: string | undefined;
  readonly detail: string | undefined;
  readonly constraint: string | undefined;

  constructor(failure: EmbeddedFailure) {
    super(failure.message);
    this.code = failure.code;
    this.detail = failure.detail;
    this.constraint = failure.constraint;
  }
}

/**
 * The main thread's end of the embedded database. It is one session, so one mutex: a query waits for the transaction that is
 * running, and a transaction for everything before it.
 */
export class EmbeddedClient implements EmbeddedQueries {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiter>();
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  #lastId = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #failure: EmbeddedDatabaseError | null = null;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (reply: EmbeddedReply) => this.#receive(reply));
  }

  query(sql: string, params: unknown[] = [], options: { rowMode?: "array" | "object" } = {}): Promise<EmbeddedRows> {
    return this.#exclusively(() => this.#query(sql, params, options));
  }

  exec(sql: string): Promise<void> {
    return this.#exclusively(() => this.#exec(sql));
  }

  transaction<T>(body: (tx: EmbeddedQueries) => Promise<T>): Promise<T> {
    return this.#exclusively(async () => {
      await this.#exec("begin");
      try {
        const result = await inTransactionScope(() =>
          body({
            query: (sql, params = [], options = {}) => this.#query(sql, params, options),
            exec: (sql) => this.#exec(sql),
          }),
        );
        await this.#exec("commit");
        return result;
      } catch (error) {
        // After a failed commit nothing is open and this only warns.
        if (this.#failure === null) await this.#exec("rollback");
        throw error;
      }
    });
  }

  /** Calls back for each NOTIFY on the channel; resolves to what ends it. */
  async listen(channel: string, onNotify: (payload: string) => void): Promise<() => void> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners);
    listeners.add(onNotify);
    await this.exec(`listen "${channel.replaceAll('"', '""')}"`);
    return () => void listeners.delete(onNotify);
  }

  async close(): Promise<void> {
    await this.#exclusively(() => this.#request({ op: "close" }));
  }

  /** Everything waiting, and everything asked from now on, fails with the reason. */
  fail(failure: EmbeddedDatabaseError): void {
    this.#failure ??= failure;
    for (const waiter of this.#waiting.values()) waiter.reject(this.#failure);
    this.#waiting.clear();
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    assertOutsideTransaction();
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  #query(sql: string, params: unknown[], options: { rowMode?: "array" | "object" }): Promise<EmbeddedRows> {
    return this.#request({ op: "query", sql, params, rowMode: options.rowMode ?? "object" });
  }

  async #exec(sql: string): Promise<void> {
    await this.#request({ op: "exec", sql });
  }

  #request(body: RequestBody): Promise<EmbeddedRows> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...body, id });
    });
  }

  #receive(reply: EmbeddedReply): void {
    switch (reply.type) {
      case "ready":
        return;
      case "notification":
        for (const onNotify of this.#listeners.get(reply.channel) ?? []) onNotify(reply.payload);
        return;
      case "result":
        this.#settle(reply.id)?.resolve(reply.result);
        return;
      case "failure":
        this.#settle(reply.id)?.reject(new EmbeddedStatementError(reply.failure));
        return;
    }
  }

  #settle(id: number): Waiter | undefined {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiter;
  }
}
