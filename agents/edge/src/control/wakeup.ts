/** Lets one loop sleep until somebody has work for it. */
export class Wakeup {
  #wake: (() => void) | null = null;

  wake(): void {
    this.#wake?.();
  }

  /** Returns when there is work, when the signal aborts, or after wake(); at once when one of the first two holds already. */
  async wait(signal: AbortSignal, hasWork: () => boolean): Promise<void> {
    if (signal.aborted || hasWork()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#wake = wake;
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    signal.removeEventListener("abort", wake);
    this.#wake = null;
  }

  /** Returns after that time, when the signal aborts, or after wake(). */
  async waitAtMost(ms: number, signal: AbortSignal): Promise<void> {
    const timer = setTimeout(() => this.wake(), Math.max(0, ms));
    await this.wait(signal, () => false);
    clearTimeout(timer);
  }
}
