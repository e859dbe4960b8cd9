// The engine that runs in this process. Its parts: listeners, the table, what connections share, and the counters. What one
// connection goes through is connection/connection.ts.
import { type Socket } from "node:net";
import { BackendResolver } from "./backend/backend-resolver.ts";
import { UpstreamSockets } from "./backend/upstream-sockets.ts";
import { Connection } from "./connection/connection.ts";
import type { RelayCore } from "./connection/relay-core.ts";
import { unmapped } from "./connection/source.ts";
import { UndecidedBudget } from "./connection/undecided-budget.ts";
import { Drain } from "./drain.ts";
import { Listeners } from "./listeners.ts";
import { ownSockets } from "./own-sockets.ts";
import type { ApplyResult, Counters, CutSelector, DrainOptions, ListenerAddress, Relay, TableUpdate } from "./relay.ts";
import type { RelayOptions } from "./relay-options.ts";
import { TableFeed } from "./table/table-feed.ts";
import { Traffic } from "./traffic.ts";

export type { RelayOptions } from "./relay-options.ts";

/** An engine that does not accept yet. */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  return new NodeRelay(options);
}

class NodeRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #feed: TableFeed;
  readonly #resolver: BackendResolver;
  readonly #open = new Set<Connection>();
  readonly #core: RelayCore;
  readonly #listeners: Listeners;
  #drain: Drain | null = null;
  #sequence = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#feed = new TableFeed(ownSockets([...options.listen, ...options.ownSockets]));
    this.#resolver = new BackendResolver(options.dnsServers);
    this.#core = {
      bootId: options.bootId,
      log: options.log,
      onClose: options.onClose,
      traffic: new Traffic(),
      budget: new UndecidedBudget(),
      open: this.#open,
      resolver: this.#resolver,
      upstreams: new UpstreamSockets(),
      ended: (connection) => {
        this.#open.delete(connection);
        this.#drain?.ended(connection);
      },
      draining: false,
      table: () => this.#feed.table,
      policy: () => this.#feed.table?.settings.policy ?? null,
    };
    this.#listeners = new Listeners(options.listen, options.log, (socket, listener) => this.#accept(socket, listener));
  }

  #accept(socket: Socket, listener: ListenerAddress): void {
    const source = unmapped(socket.remoteAddress ?? "");
    const sourcePort = socket.remotePort ?? 0;
    const localAddress = (): string => unmapped(socket.localAddress ?? listener.address);
    const connection = new Connection(this.#core, {
      socket,
      sequence: ++this.#sequence,
      listener: formatSocket(listener),
      source,
      sourcePort,
      origin: this.#core.upstreams.judge(source, sourcePort, localAddress, listener.port),
    });
    connection.start(this.#feed.table);
  }

  async listen(): Promise<void> {
    await this.#listeners.open();
    await this.#feed.setOwnSockets(ownSockets([...this.#listeners.bound, ...this.#options.ownSockets]));
  }

  get listeners(): readonly ListenerAddress[] {
    return this.#listeners.bound;
  }

  async apply(update: TableUpdate): Promise<ApplyResult> {
    return await this.#feed.apply(update);
  }

  async counters(): Promise<Counters> {
    return this.#core.traffic.counters(this.#open);
  }

  async cut(selector: CutSelector): Promise<number> {
    let cut = 0;
    for (const connection of this.#open) if (connection.cut(selector.routeUid ?? null)) cut++;
    return cut;
  }

  async drain(options: DrainOptions): Promise<void> {
    this.#core.draining = true;
    this.#drain?.stop();
    const drain = new Drain(this.#open);
    this.#drain = drain;
    await drain.run(options.timeoutMs);
  }

  async resume(): Promise<void> {
    this.#core.draining = false;
    this.#drain?.stop();
    this.#drain = null;
  }

  serving(): boolean {
    return this.#feed.table !== null;
  }

  async close(): Promise<void> {
    await this.#listeners.close();
    await this.drain({ timeoutMs: 0 });
    this.#resolver.cancel();
  }
}

function formatSocket({ address, port }: ListenerAddress): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
