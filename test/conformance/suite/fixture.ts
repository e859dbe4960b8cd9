// What every test of the suite stands on: an engine of its own, ways to give it a table, and a sweep after each test that its
// counts add up, whatever the test was about.
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, expect } from "vitest";
import type {
  ConnectionRecord,
  Counters,
  ListenerAddress,
  Relay,
  RouteCounters,
  TableObject,
} from "@helloway/edge/relay/relay";
import type { RelayOptions } from "@helloway/edge/relay/relay-options";
import type { CloseReason } from "@helloway/routing/close-reason";
import { clientHello, record, serverName } from "../../vectors/hello-bytes.ts";
import type { Peer } from "../../harness/peer.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { countedSince } from "./counted-since.ts";
import { routeObject, type RouteOptions, routeUid, settingsObject } from "../../harness/table-objects.ts";
import type { TcpBackend } from "../../harness/tcp-backend.ts";

/** Makes the engine under test. */
export type MakeRelay = (options: RelayOptions) => Promise<Relay>;

export interface Logged {
  level: string;
  fields: unknown;
  message: string | undefined;
}

/** An engine that listens on 127.0.0.1 and ::1. */
export class Engine {
  readonly relay: Relay;
  /** One for every connection that ended. */
  readonly records: readonly ConnectionRecord[];
  readonly logged: readonly Logged[];
  /** What must never be logged unless the test expects it. */
  errorsExpected = false;
  /** Counters when the test began: an engine may have served others. */
  readonly #before: Counters | null;

  constructor(relay: Relay, records: readonly ConnectionRecord[], logged: readonly Logged[], before: Counters | null) {
    this.relay = relay;
    this.records = records;
    this.logged = logged;
    this.#before = before;
  }

  get ipv4(): ListenerAddress {
    return this.relay.listeners[0]!;
  }

  get ipv6(): ListenerAddress {
    return this.relay.listeners[1]!;
  }

  /** Everything it may serve from now on, under settings that grant loopback. */
  async serve(...routes: TableObject[]): Promise<void> {
    const settings = routes.some((each) => each.kind === "settings") ? [] : [settingsObject()];
    const { refused } = await this.relay.apply({ snapshot: true, objects: [...settings, ...routes], removals: [] });
    expect(refused).toEqual([]);
  }

  /** Serves one route, of the name and for the hostname given. */
  async serveOne(hostname: string, backend: TcpBackend, more: Partial<RouteOptions> = {}): Promise<void> {
    await this.serve(routeTo(hostname, backend, more));
  }

  async edit(...objects: TableObject[]): Promise<string[]> {
    const { refused } = await this.relay.apply({ snapshot: false, objects, removals: [] });
    return refused.map((each) => each.code);
  }

  /** @param from the address of this host that the client comes from. */
  connect(from?: string): Promise<Peer> {
    return connectRaw(this.ipv4, from);
  }

  /** A client that has sent a hello for the name. */
  async hello(name: string, from?: string): Promise<Peer> {
    const client = await this.connect(from);
    client.send(helloFor(name));
    return client;
  }

  /** What this test made of it. */
  async route(name: string): Promise<RouteCounters | undefined> {
    return (await this.#routes()).get(name === "-" || name.startsWith("@") ? name : routeUid(name));
  }

  async #routes(): Promise<Map<string, RouteCounters>> {
    const { routes } = await this.relay.counters();
    return this.#before === null ? routes : countedSince(routes, this.#before.routes);
  }

  /** Waits until exactly these closes are counted at the route of the name. */
  async closes(name: string, closed: Partial<Record<CloseReason, number>>): Promise<void> {
    await expect.poll(async () => (await this.route(name))?.closed, { interval: 5 }).toEqual(closed);
    // Records come when they come, and once.
    const all = [...(await this.#routes()).values()].reduce((sum, route) => sum + closedSum(route), 0);
    await expect.poll(() => this.records.length, { interval: 5 }).toBeGreaterThanOrEqual(all);
  }
}

/** A route of the hostname's name. */
export function routeTo(
  hostname: string,
  backend: { host: string; port: number },
  more: Partial<RouteOptions> = {},
): TableObject {
  return routeObject(hostname, { hostnames: [hostname], backends: [backendFields(backend)], ...more });
}

export function backendFields({ host, port }: { host: string; port: number }): { host: string; port: number } {
  return { host, port };
}

/** @param more further extensions. */
export function helloFor(name: string, ...more: Uint8Array[]): Buffer {
  return Buffer.from(record(clientHello({ random: randomBytes(32), extensions: [serverName(name), ...more] })));
}

/** The record that a refusal sends. */
export function alertBytes(alert: number): Buffer {
  return Buffer.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert);
}

/** The client's end of a refusal: this alert, whole and alone (null: nothing), then the end. */
export async function expectRefusal(client: Peer, alert: number | null): Promise<void> {
  await client.over();
  expect(client.received().toString("hex")).toBe(alert === null ? "" : alertBytes(alert).toString("hex"));
  client.end();
}

export interface EngineOptions extends Partial<RelayOptions> {
  /** Applied before the engine listens. */
  tableFirst?: TableObject;
}

/** To be called once inside each describe: how its tests get engines, each one of its own. */
export function useEngines(makeRelay: MakeRelay): (options?: EngineOptions) => Promise<Engine> {
  const running: RunningEngine[] = [];

  afterEach(async () => {
    for (const each of running.splice(0)) {
      each.check();
      await each.close();
    }
  });

  return async (options = {}) => {
    const engine = await RunningEngine.start(makeRelay, options);
    running.push(engine);
    return await engine.lend();
  };
}

/**
 * The same for rows of tables, of which each needs nothing but a table of its own: they get one engine after the other, with counters
 * and records of their own, for as long as it is asked for with the same options and every row leaves nothing open in it.
 */
export function useOneEngine(makeRelay: MakeRelay): (options?: EngineOptions) => Promise<Engine> {
  let kept: { options: EngineOptions | undefined; engine: RunningEngine } | null = null;

  afterEach(async () => {
    if (!kept) return;
    const { engine } = kept;
    engine.check();
    if (await engine.isIdle()) return;
    kept = null;
    await engine.close();
  });

  afterAll(async () => {
    await kept?.engine.close();
    kept = null;
  });

  return async (options) => {
    if (kept && kept.options !== options) await kept.engine.close();
    if (kept?.options !== options) kept = null;
    kept ??= { options, engine: await RunningEngine.start(makeRelay, options ?? {}) };
    return await kept.engine.lend();
  };
}

/** An engine while it runs, for one test after the other. */
class RunningEngine {
  readonly #relay: Relay;
  readonly #heard: { records: ConnectionRecord[]; logged: Logged[] };
  /** Of all that it was lent to. */
  #records = 0;
  #lent: Engine | null = null;

  private constructor(relay: Relay, heard: { records: ConnectionRecord[]; logged: Logged[] }) {
    this.#relay = relay;
    this.#heard = heard;
  }

  static async start(makeRelay: MakeRelay, { tableFirst, ...options }: EngineOptions): Promise<RunningEngine> {
    const heard: { records: ConnectionRecord[]; logged: Logged[] } = { records: [], logged: [] };
    const log = (level: string) => (fields: unknown, message?: string) => {
      heard.logged.push({ level, fields, message });
    };
    const relay = await makeRelay({
      listen: [
        { address: "127.0.0.1", port: 0 },
        { address: "::1", port: 0 },
      ],
      workers: 1,
      proxyTrusted: [],
      geoDatabase: null,
      ownSockets: [],
      edgeName: "edge-under-test",
      bootId: "boot",
      dnsServers: null,
      log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
      onClosed: (lines) => heard.records.push(...readRecords(lines)),
      ...options,
    });
    const engine = new RunningEngine(relay, heard);
    if (tableFirst) await (await engine.lend()).serve(tableFirst);
    await relay.listen();
    return engine;
  }

  async lend(): Promise<Engine> {
    const before = this.#lent === null ? null : await this.#relay.counters();
    this.#records += this.#heard.records.length;
    this.#heard.records = [];
    this.#heard.logged = [];
    this.#lent = new Engine(this.#relay, this.#heard.records, this.#heard.logged, before);
    return this.#lent;
  }

  /** What it logged while it was lent. */
  check(): void {
    if (this.#lent?.errorsExpected) return;
    expect(this.#heard.logged.filter(({ level }) => level === "error")).toEqual([]);
  }

  /** Whether nothing is left of whatever it did. */
  async isIdle(): Promise<boolean> {
    const counters = await this.#relay.counters();
    expectBalanced(counters);
    const open = [...counters.routes.values()].some((route) => closedSum(route) < route.opened);
    return !open && counters.undecided === 0 && this.#records + this.#heard.records.length === counters.accepted;
  }

  async close(): Promise<void> {
    expectBalanced(await this.#relay.counters());
    await this.#relay.close();
    const counters = await this.#relay.counters();
    expectBalanced(counters);
    expectAllClosed(counters);
    const { records } = this.#heard;
    expect(new Set(records.map(({ conn }) => conn)).size).toBe(records.length);
    expect(this.#records + records.length).toBe(counters.accepted);
    this.check();
  }
}

function closedSum(route: RouteCounters): number {
  return Object.values(route.closed).reduce((sum, each) => sum + each, 0);
}

/** As an engine's onClosed gets them. */
export function readRecords(lines: string): ConnectionRecord[] {
  expect(lines.at(-1)).toBe("\n");
  return lines
    .slice(0, -1)
    .split("\n")
    .map((line) => JSON.parse(line) as ConnectionRecord);
}

/** accepted = undecided + opened; nothing closed that was not opened. */
export function expectBalanced(counters: Counters): void {
  let opened = 0;
  for (const route of counters.routes.values()) {
    opened += route.opened;
    expect(closedSum(route)).toBeLessThanOrEqual(route.opened);
    let rxBytes = 0;
    let txBytes = 0;
    for (const backend of route.backends.values()) {
      expect(backend.closed).toBeLessThanOrEqual(backend.opened);
      expect(backend.failures).toBeLessThanOrEqual(backend.attempts);
      rxBytes += backend.rxBytes;
      txBytes += backend.txBytes;
    }
    expect(rxBytes).toBeLessThanOrEqual(route.rxBytes);
    expect(txBytes).toBeLessThanOrEqual(route.txBytes);
  }
  expect(counters.accepted).toBe(counters.undecided + opened);
}

function expectAllClosed(counters: Counters): void {
  expect(counters.undecided).toBe(0);
  for (const route of counters.routes.values()) {
    expect(closedSum(route)).toBe(route.opened);
    for (const backend of route.backends.values()) expect(backend.closed).toBe(backend.opened);
  }
}
