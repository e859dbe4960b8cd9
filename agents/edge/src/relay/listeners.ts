import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { ListenerAddress } from "./relay.ts";
import type { RelayOptions } from "./relay-options.ts";

/** Connections that the kernel may hold for us; it caps this itself (net.core.somaxconn). */
const BACKLOG = 4_096;
const KEEP_ALIVE_MS = 60_000;

/** The listening sockets of an engine. */
export class Listeners {
  readonly #wanted: readonly ListenerAddress[];
  readonly #log: RelayOptions["log"];
  readonly #onConnection: (socket: Socket, listener: ListenerAddress) => void;
  readonly #servers: Server[] = [];
  #bound: ListenerAddress[] = [];

  constructor(
    wanted: readonly ListenerAddress[],
    log: RelayOptions["log"],
    onConnection: (socket: Socket, listener: ListenerAddress) => void,
  ) {
    this.#wanted = wanted;
    this.#log = log;
    this.#onConnection = onConnection;
  }

  /** Addresses and ports as bound, where a name or port 0 was wanted too; empty before open(). */
  get bound(): readonly ListenerAddress[] {
    return this.#bound;
  }

  /** All or none. @throws the system's error, which carries `address` and `port`. */
  async open(): Promise<void> {
    try {
      for (const wanted of this.#wanted) this.#bound.push(await this.#open(wanted));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #open(wanted: ListenerAddress): Promise<ListenerAddress> {
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    server.listen({ host: wanted.address, port: wanted.port, backlog: BACKLOG, ipv6Only: true });
    await once(server, "listening");
    this.#servers.push(server);
    const { address, port } = server.address() as AddressInfo;
    const listener = { address, port };
    // Out of memory: the connection stays with the kernel. Out of descriptors there is no event: libuv itself closes what it
    // cannot take, uncounted, and accepts again when there is room.
    server.on("error", (error) => this.#log.error({ err: error, listener }, "cannot accept a connection"));
    server.on("connection", (socket) => this.#onConnection(socket, listener));
    return listener;
  }

  /** Established connections stay. */
  async close(): Promise<void> {
    this.#bound = [];
    for (const server of this.#servers.splice(0)) server.close();
  }
}
