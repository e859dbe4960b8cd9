import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Peer } from "./peer.ts";

/** A backend that does nothing by itself: a test takes its connections one by one. */
export interface TcpBackend extends AsyncDisposable {
  /** As in a route: "127.0.0.1:1234", "[::1]:1234". */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** The next connection not taken yet; waits for it. */
  next(): Promise<Peer>;
  /** Connections so far. */
  readonly count: number;
}

export interface TcpBackendOptions {
  host?: string;
  /** Absent: any. */
  port?: number;
  /** Called for every connection; the connection is then not queued for next(). */
  onConnection?: (peer: Peer) => void;
  /** Called for every connection instead, with nothing read: for more data than a Peer should keep. */
  onSocket?: (socket: Socket) => void;
  /** Nothing is read until the test resumes the socket. */
  paused?: boolean;
}

export async function startTcpBackend(options: TcpBackendOptions = {}): Promise<TcpBackend> {
  const host = options.host ?? "127.0.0.1";
  const ready: Peer[] = [];
  const takers: ((peer: Peer) => void)[] = [];
  const open = new Set<Socket>();
  let count = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    count++;
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    if (options.onSocket) return options.onSocket(socket);
    const peer = new Peer(socket);
    if (options.paused) socket.pause();
    if (options.onConnection) return options.onConnection(peer);
    const taker = takers.shift();
    if (taker) taker(peer);
    else ready.push(peer);
  });
  server.listen({ host, port: options.port ?? 0, backlog: 1024 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
    host,
    port,
    get count() {
      return count;
    },
    next() {
      const peer = ready.shift();
      return peer ? Promise.resolve(peer) : new Promise((resolve) => takers.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Held by refusingPort() for as long as the process lives. */
const held: Socket[] = [];

/** A port that refuses whoever connects to it. It is a client's own, so that nobody else is given it meanwhile. */
export async function refusingPort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  server.listen({ host, port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection");
  const client = connect({ host, port, localAddress: host });
  await once(client, "connect");
  const [other] = (await accepted) as [Socket];
  held.push(client.unref(), other.unref());
  server.close();
  return client.localPort!;
}
