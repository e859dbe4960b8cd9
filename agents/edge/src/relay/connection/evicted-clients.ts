// Clients that had to go at once to make room, and are still told why: each is read until its end, as every refused one is, so that no
// reset takes the alert from it, but holds nobody's room. There are sockets for so many (engine-memory.ts); the oldest goes for a
// newcomer.

/** What is needed of a connection. */
export interface EvictedClient {
  /** Closes it. Has to leave before it returns. */
  evict(): void;
}

export class EvictedClients {
  readonly #max: number;
  readonly #clients = new Set<EvictedClient>();

  constructor(max: number) {
    this.#max = max;
  }

  add(client: EvictedClient): void {
    if (this.#clients.size >= this.#max) {
      const [oldest] = this.#clients;
      oldest?.evict();
    }
    this.#clients.add(client);
  }

  remove(client: EvictedClient): void {
    this.#clients.delete(client);
  }
}
