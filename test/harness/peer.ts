// One end of a TCP connection in a test: what it got so far, how it ended, and promises for both. Nothing is waited for by time.
import type { Socket } from "node:net";

export type PeerEnd = "fin" | "reset";

export class Peer {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  #receivedBytes = 0;
  #end: PeerEnd | null = null;
  #closed = false;
  #reset = false;
  readonly #waiting = new Set<() => void>();

  /** @param socket with allowHalfOpen. */
  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#receivedBytes += chunk.length;
      this.#changed();
    });
    socket.on("end", () => {
      this.#end ??= "fin";
      this.#changed();
    });
    socket.on("error", () => {
      this.#end ??= "reset";
      this.#reset = true;
      this.#changed();
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#changed();
    });
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** null: it goes on. */
  get ended(): PeerEnd | null {
    return this.#end;
  }

  send(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** Half-closes, after the last words if there are any. */
  end(bytes?: Uint8Array | string): void {
    if (bytes === undefined) this.socket.end();
    else this.socket.end(bytes);
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Everything it got, once that is this many bytes. Rejects when it ends before. */
  async bytes(count: number): Promise<Buffer> {
    await this.arrived(count);
    return this.received();
  }

  /** The same for those who count and do not look: it costs as little after many bytes as after few. */
  async arrived(count: number): Promise<void> {
    await this.#until(() => this.#receivedBytes >= count || this.#end !== null);
    if (this.#receivedBytes < count)
      throw new Error(
        `${this.#end} after ${this.#receivedBytes} of ${count} bytes: ${this.received().toString("hex", 0, 64)}`,
      );
  }

  /** How the other side ended it. */
  async over(): Promise<PeerEnd> {
    await this.#until(() => this.#end !== null || this.#closed);
    return this.#end ?? "reset";
  }

  /** The other side has reset it, after its FIN or without one. */
  async closedByReset(): Promise<void> {
    await this.#until(() => this.#closed || this.#reset);
    if (!this.#reset) throw new Error("closed, but not by a reset");
  }

  /** The socket is closed in both directions. */
  async closed(): Promise<void> {
    await this.#until(() => this.#closed);
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
  }
}
