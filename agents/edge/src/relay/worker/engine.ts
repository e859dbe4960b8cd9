// One worker's part of the engine: its listening sockets, its table, its connections. What holds for the edge as a whole (limits,
// budgets, turns) is in memory that all workers share.
import type { LeftSlots, TrafficAnnouncement } from "../shared/traffic.ts";
import { BackendChooser } from "../backend/backend-chooser.ts";
import { FailedAddresses } from "../backend/failed-addresses.ts";
import { BackendResolver } from "../backend/backend-resolver.ts";
import { UpstreamSockets } from "../backend/upstream-sockets.ts";
import { Connection } from "../connection/connection.ts";
import { DiallingBytes } from "../connection/dialling-bytes.ts";
import { EvictedClients } from "../connection/evicted-clients.ts";
import type { RelayCore } from "../connection/relay-core.ts";
import { unmapped } from "../connection/source.ts";
import { Drain } from "../drain.ts";
import { readCountryDatabase } from "../geo/country-database.ts";
import { countOpen } from "../connection/count-open.ts";
import { RouteLimiter } from "../limits/route-limiter.ts";
import { TrustedProxies } from "../proxy-protocol/trusted-proxies.ts";
import type { ConnectionRecord, ListenerAddress } from "../relay.ts";
import type { RelayOptions } from "../relay-options.ts";
import { createEdgeClock } from "../shared/edge-clock.ts";
import { OpenSockets } from "../shared/open-sockets.ts";
import { SharedEntries } from "../shared/shared-entries.ts";
import { Traffic } from "../shared/traffic.ts";
import { UndecidedBudget } from "../shared/undecided-budget.ts";
import { listenTcp, systemError, type TcpListener } from "../socket/listen-tcp.ts";
import type { SocketName, TcpHandle } from "../socket/tcp-binding.ts";
import type { Table } from "../table/table.ts";
import { TableFeed } from "../table/table-feed.ts";
import { decodeObjects } from "./encoded-objects.ts";
import { packRefused } from "./packed-refused.ts";
import type { Applied, ApplyCall, ListenCall, WorkerStart } from "./messages.ts";

export interface EngineHooks {
  log: RelayOptions["log"];
  /** One connection ended. */
  onRecord(record: ConnectionRecord): void;
  onTraffic(announcement: TrafficAnnouncement): void;
  /** Has to reach another worker's evictOldest(). */
  evictElsewhere(worker: number, source: number): void;
}

/** Filled in by each getpeername(): a fresh object costs it more than the system call does. */
const peerName: SocketName = { address: "", family: "", port: 0 };

export class Engine {
  readonly #hooks: EngineHooks;
  readonly #feed: TableFeed;
  readonly #resolver: BackendResolver;
  readonly #trusted: TrustedProxies;
  readonly #open = new Set<Connection>();
  readonly #core: RelayCore;
  readonly #own: TcpListener[] = [];
  /** On descriptors that were passed: others may hold these sockets too, and a drain closes them here. */
  readonly #passed: TcpListener[] = [];
  #drain: Drain | null = null;
  /** The table up to which those are counted who were open when it came. */
  #counted: { table: Table | null; countsCame: number } = { table: null, countsCame: 0 };
  #sequence = 0;

  constructor(start: WorkerStart, hooks: EngineHooks) {
    const { memory, worker } = start;
    const now = createEdgeClock();
    const routes = new SharedEntries(memory.routes, worker);
    const countries = start.countries === null ? null : readCountryDatabase(start.countries);
    this.#hooks = hooks;
    this.#feed = new TableFeed(start.ownSockets, { geo: countries !== null });
    this.#resolver = new BackendResolver(start.dnsServers);
    this.#trusted = new TrustedProxies(start.proxyTrusted);
    this.#core = {
      idPrefix: start.idPrefix,
      log: hooks.log,
      debug: start.wantsDebug,
      onClose: start.wantsRecords ? hooks.onRecord : null,
      traffic: new Traffic(hooks.onTraffic),
      sockets: new OpenSockets(memory.sockets, worker),
      budget: new UndecidedBudget(memory.budget, worker, hooks.evictElsewhere),
      dialling: new DiallingBytes(memory.diallingBytesMax),
      evicted: new EvictedClients(memory.evictedMax),
      limiter: new RouteLimiter(routes, new SharedEntries(memory.sources, worker), now),
      chooser: new BackendChooser(routes, now),
      failed: new FailedAddresses(),
      countries,
      open: this.#open,
      resolver: this.#resolver,
      upstreams: new UpstreamSockets(memory.upstreams, worker),
      ended: (connection) => {
        this.#open.delete(connection);
        this.#drain?.ended(connection);
      },
      draining: false,
      edgeName: start.edgeName,
      table: () => this.#feed.table,
      policy: () => this.#feed.table?.settings.policy ?? null,
      route: (uid) => this.#feed.table?.route(uid) ?? null,
      changes: () => this.#feed.changes,
    };
  }

  /** All or none. Throws the system's error. Nothing else happens in the worker until all are open, or closed again. */
  async listen({ targets, leavesPassed }: ListenCall): Promise<ListenerAddress[]> {
    const addresses: ListenerAddress[] = [];
    try {
      for (const target of targets) {
        const proxy = target.proxy;
        const handlers = {
          onConnection: (client: TcpHandle, listener: ListenerAddress) => this.#accept(client, listener, proxy),
          onFailure: (error: number, listener: ListenerAddress) =>
            this.#hooks.log.error({ ...systemError(error), listener }, "cannot accept a connection"),
        };
        const passed = "descriptor" in target;
        const listener = listenTcp(passed ? target : { ...target, shared: true }, handlers);
        addresses.push(listener.address);
        (passed ? this.#passed : this.#own).push(listener);
      }
    } catch (error) {
      await this.#closeListeners();
      throw error;
    }
    if (leavesPassed) await this.#leavePassed();
    return addresses;
  }

  #accept(handle: TcpHandle, listener: ListenerAddress, proxy: boolean): void {
    // It was reset before anybody could look: nobody is there to be counted.
    if (handle.getpeername(peerName) !== 0) return handle.close();
    const peer = { address: unmapped(peerName.address ?? ""), port: peerName.port ?? 0 };
    const local = (): { address: string; port: number } => {
      const own: SocketName = {};
      handle.getsockname(own);
      return { address: unmapped(own.address ?? listener.address), port: own.port ?? listener.port };
    };
    const connection = new Connection(this.#core, {
      handle,
      sequence: ++this.#sequence,
      listener: formatSocket(listener),
      peer,
      local,
      proxy: proxy ? { trusted: this.#trusted.has(peer.address) } : null,
      origin: () => this.#core.upstreams.judge(peer.address, peer.port, () => local().address, listener.port),
    });
    connection.start(this.#feed.table);
  }

  async setOwnSockets(sockets: readonly ListenerAddress[]): Promise<null> {
    await this.#feed.setOwnSockets(sockets);
    await this.#countOpen();
    return null;
  }

  setEdgeName(name: string): null {
    this.#core.edgeName = name;
    return null;
  }

  async apply(call: ApplyCall): Promise<Applied> {
    const { snapshot, removals, tellRefused } = call;
    const objects = await decodeObjects(call.objects, !snapshot);
    const kept = await decodeObjects(call.kept, !snapshot);
    const refused = await this.#feed.apply({ snapshot, objects, removals, kept }, { tell: tellRefused });
    await this.#countOpen();
    return { serving: this.#feed.table !== null, refused: refused && (await packRefused(refused)) };
  }

  /** Those that are open, at routes which have come since it was done last. */
  async #countOpen(): Promise<void> {
    const { table } = this.#feed;
    const countsCame = table?.countsCame ?? 0;
    if (table === this.#counted.table && countsCame === this.#counted.countsCame) return;
    await countOpen(this.#open, this.#core);
    this.#counted = { table, countsCame };
  }

  flush(freed: readonly number[]): LeftSlots {
    const { traffic } = this.#core;
    traffic.free(freed);
    traffic.flush(this.#open);
    return traffic.letGo((uid) => (this.#feed.table?.route(uid) ?? null) !== null);
  }

  cut(routeUid: string | null): number {
    let cut = 0;
    for (const connection of this.#open) if (connection.cut(routeUid)) cut++;
    return cut;
  }

  async drain(timeoutMs: number): Promise<null> {
    // Before anybody is refused: whoever else holds these sockets serves those who wait there.
    const left = this.#leavePassed();
    this.#core.draining = true;
    const drain = new Drain(this.#open);
    this.#drain?.leaveTo(drain);
    this.#drain = drain;
    await Promise.all([left, drain.run(timeoutMs)]);
    return null;
  }

  resume(): null {
    this.#core.draining = false;
    this.#drain?.stop();
    this.#drain = null;
    return null;
  }

  async close(): Promise<null> {
    await this.#closeListeners();
    await this.drain(0);
    this.#resolver.cancel();
    return null;
  }

  evictOldest(source: number): void {
    this.#core.budget.evictOldest(source);
  }

  relieve(): void {
    this.#core.budget.relieve();
  }

  async #closeListeners(): Promise<void> {
    await Promise.all([...this.#own.splice(0).map((listener) => listener.close()), this.#leavePassed()]);
  }

  async #leavePassed(): Promise<void> {
    await Promise.all(this.#passed.splice(0).map((listener) => listener.close()));
  }
}

function formatSocket({ address, port }: ListenerAddress): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
