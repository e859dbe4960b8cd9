// Ending what is open within a time: nothing in the first half of it, then one connection after the other, evenly, so that
// clients do not all come back at once; by the end all.
//
// The last part of the time, at most a second, is left for the flush of what was closed last.
import type { Connection } from "./connection/connection.ts";
import { TIMER_MAX_MS } from "./connection/timer-max.ts";

const FLUSH_MS = 1_000;
const STEP_MIN_MS = 20;

export class Drain {
  readonly #left: Set<Connection>;
  readonly #done = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | null = null;

  /** @param open those to end; connections accepted later are refused and end by themselves. */
  constructor(open: Iterable<Connection>) {
    this.#left = new Set(open);
  }

  /** Resolves when all have ended, or after stop(). */
  async run(timeoutMs: number): Promise<void> {
    if (this.#left.size === 0) return this.stop();
    const now = performance.now();
    const endsAt = now + timeoutMs;
    const spreadFrom = now + timeoutMs / 2;
    const spreadTo = Math.max(spreadFrom, endsAt - Math.min(FLUSH_MS, timeoutMs / 4));
    this.#after(timeoutMs / 2, () =>
      this.#spread([...this.#left], spreadFrom, spreadTo, Math.max(endsAt, now + FLUSH_MS)),
    );
    await this.#done.promise;
  }

  /** Leaves what is still open to another drain, and has run when that one has. */
  leaveTo(next: Drain): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#left.clear();
    this.#done.resolve(next.#done.promise);
  }

  /** Leaves what is still open alone. */
  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#done.resolve();
  }

  /** To be told of every connection that ends. */
  ended(connection: Connection): void {
    this.#left.delete(connection);
    if (this.#left.size === 0) this.stop();
  }

  #spread(connections: readonly Connection[], from: number, to: number, endsAt: number, closed = 0): void {
    const now = performance.now();
    const share = now >= to ? 1 : (now - from) / (to - from);
    const due = Math.ceil(share * connections.length);
    for (const connection of connections.slice(closed, due)) connection.drain();
    if (this.#left.size === 0) return;
    if (share < 1) {
      const stepMs = Math.max(STEP_MIN_MS, (to - from) / connections.length);
      return this.#after(Math.min(stepMs, to - now), () => this.#spread(connections, from, to, endsAt, due));
    }
    this.#after(endsAt - now, () => {
      for (const connection of this.#left) connection.abort();
    });
  }

  #after(ms: number, step: () => void): void {
    if (this.#timer) clearTimeout(this.#timer);
    if (ms <= 0) return step();
    this.#timer = setTimeout(step, Math.min(ms, TIMER_MAX_MS));
  }
}
