// Table updates that come while a backend is looked for: they hold for every connection that is not connected yet.
import { describe, expect, test } from "vitest";
import { ProxyProtocol } from "@helloway/proto/table";
import { alerts } from "@helloway/routing/alert";
import { startDnsServer } from "../../harness/dns-server.ts";
import type { Peer } from "../../harness/peer.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { startSilentListener } from "../../harness/silent-listener.ts";
import { routeObject, type RouteOptions, routeUid, settingsObject } from "../../harness/table-objects.ts";
import { startTcpBackend } from "../../harness/tcp-backend.ts";
import {
  backendFields,
  type Engine,
  expectRefusal,
  helloFor,
  type MakeRelay,
  routeTo,
  useOneEngine,
} from "./fixture.ts";
import { outcome } from "./outcome.ts";

const name = "app.example.test";
/** Of the first backend, who is silent: long enough for an update to come meanwhile. */
const CONNECT_MS = 2_000;
/** A system asks again for a connection after one second, and then after two more. */
const LONG_CONNECT_MS = 8_000;

interface Address {
  host: string;
  port: number;
}

/** To a first backend, and to others only when it cannot be reached. */
function inTurn([first, ...others]: readonly [Address, ...Address[]], more: Partial<RouteOptions> = {}) {
  const backends = [
    { ...backendFields(first), priority: 0 },
    ...others.map((each) => ({ ...backendFields(each), priority: 1 })),
  ];
  return routeObject(name, { hostnames: [name], timeouts: { connectMs: CONNECT_MS }, backends, ...more });
}

/** A client whose connection is open and has no backend yet. */
async function dialling(engine: Engine): Promise<Peer> {
  const client = await engine.hello(name);
  await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
  return client;
}

export function defineDiallingUpdates(makeRelay: MakeRelay): void {
  describe("updates while a backend is dialled", () => {
    const start = useOneEngine(makeRelay);

    test("the connection goes to a backend that the route has now, and to none that was taken from it", async () => {
      await using silent = await startSilentListener();
      await using removed = await startSayingBackend("x");
      await using added = await startSayingBackend("x");
      const engine = await start();
      await engine.serve(inTurn([silent, removed]));
      const client = await dialling(engine);
      expect(await engine.edit(inTurn([added]))).toEqual([]);
      expect(await outcome(client)).toBe("x");
      await engine.closes(name, { backend_closed: 1 });
      expect([removed.count, added.count]).toEqual([0, 1]);
    });

    test("a route that is removed has no backend for the connection", async () => {
      await using silent = await startSilentListener();
      await using backend = await startSayingBackend("x");
      const engine = await start();
      await engine.serve(inTurn([silent, backend]));
      const client = await dialling(engine);
      const removals = [{ kind: "route" as const, id: routeUid(name) }];
      await engine.relay.apply({ snapshot: false, objects: [], removals });
      await expectRefusal(client, alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect(backend.count).toBe(0);
    });

    test("an address that is not granted any more is not dialled", async () => {
      await using silent = await startSilentListener();
      await using backend = await startTcpBackend({ host: "127.0.0.2" });
      const engine = await start();
      await engine.serve(inTurn([silent, backend]));
      const client = await dialling(engine);
      const grants = { default: { cidrs: ["127.0.0.1/32"], ports: [{ from: 1, to: 65_535 }] } };
      await engine.edit(settingsObject({ grants }));
      await expectRefusal(client, alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect(backend.count).toBe(0);
    });

    test.each([
      ["taken from the route", (other: Address) => inTurn([other])],
      ["not granted any more", () => settingsObject({ grants: { default: { cidrs: ["127.0.0.2/32"], ports: [] } } })],
    ])("a backend that answers when it is %s gets nothing", async (_what, edit) => {
      await using silent = await startSilentListener();
      await using other = await startTcpBackend({ host: "127.0.0.2" });
      const engine = await start();
      await engine.serve(inTurn([silent], { timeouts: { connectMs: LONG_CONNECT_MS } }));
      const client = await dialling(engine);
      await engine.edit(edit(other));
      silent.wake();
      const attempted = async () => (await engine.route(name))?.backends.get(`${silent.host}:${silent.port}`);
      await expect.poll(attempted, { timeout: LONG_CONNECT_MS }).toMatchObject({ attempts: 1, failures: 1, opened: 0 });
      client.reset();
    });

    test("a backend that stays is reached, whatever else of the route and of other routes is changed", async () => {
      await using silent = await startSilentListener();
      await using other = await startTcpBackend();
      const engine = await start();
      const timeouts = { connectMs: LONG_CONNECT_MS };
      await engine.serve(inTurn([silent], { timeouts }), routeTo("other.example.test", other));
      const client = await dialling(engine);
      await engine.edit(inTurn([silent, other], { timeouts: { connectMs: 500 } }));
      await engine.edit(
        routeTo("other.example.test", silent),
        settingsObject({ hello: { timeoutMs: 900, bytesMax: 16_384 } }),
      );
      silent.wake();
      const reached = async () => (await engine.route(name))?.backends.get(`${silent.host}:${silent.port}`)?.opened;
      await expect.poll(reached, { timeout: LONG_CONNECT_MS }).toBe(1);
      expect(other.count).toBe(0);
      client.reset();
      await engine.closes(name, { client_reset: 1 });
    });

    test("an update of another route leaves the turn of the backends as it is, also while a name is resolved", async () => {
      await using dns = await startDnsServer();
      await using silent = await startSilentListener();
      await using backend = await startSayingBackend("x");
      await using spare = await startSayingBackend("x");
      const engine = await start({ dnsServers: [dns.address] });
      const answer = Promise.withResolvers<readonly string[]>();
      dns.set("late.internal", () => answer.promise);
      const backends = [
        backendFields(silent),
        { host: "late.internal", port: backend.port },
        { ...backendFields(spare), priority: 1 },
      ];
      await engine.serve(routeObject(name, { hostnames: [name], timeouts: { connectMs: 300 }, backends }));
      const client = await dialling(engine);
      await expect.poll(() => dns.asked.length).toBeGreaterThan(0);
      await engine.edit(routeTo("other.example.test", spare));
      answer.resolve(["127.0.0.1"]);
      expect(await outcome(client)).toBe("x");
      await engine.closes(name, { backend_closed: 1 });
      expect([backend.count, spare.count]).toEqual([1, 0]);
    });

    test("a name's answer that comes when the route has other backends is not dialled", async () => {
      await using dns = await startDnsServer();
      await using removed = await startSayingBackend("x");
      await using added = await startSayingBackend("x");
      const engine = await start({ dnsServers: [dns.address] });
      const answer = Promise.withResolvers<readonly string[]>();
      dns.set("late.internal", () => answer.promise);
      await engine.serve(inTurn([{ host: "late.internal", port: removed.port }]));
      const client = await dialling(engine);
      await expect.poll(() => dns.asked.length).toBeGreaterThan(0);
      await engine.edit(inTurn([added]));
      answer.resolve(["127.0.0.1"]);
      expect(await outcome(client)).toBe("x");
      await engine.closes(name, { backend_closed: 1 });
      expect([removed.count, added.count]).toEqual([0, 1]);
    });

    test("a connection whose header was made for another PROXY protocol than the route's is refused", async () => {
      await using silent = await startSilentListener();
      await using backend = await startSayingBackend("x");
      const engine = await start();
      await engine.serve(inTurn([silent, backend]));
      const client = await dialling(engine);
      await engine.edit(inTurn([silent, backend], { proxyProtocol: ProxyProtocol.V2 }));
      await expectRefusal(client, alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect(backend.count).toBe(0);
    });

    test("what a client sends while it changes hands arrives whole", async () => {
      await using silent = await startSilentListener();
      await using added = await startTcpBackend();
      const engine = await start();
      await engine.serve(inTurn([silent]));
      const client = await engine.connect();
      const sent = Buffer.concat([helloFor(name), Buffer.from("early")]);
      client.send(sent);
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
      await engine.edit(inTurn([added]));
      client.send(Buffer.from(" late"));
      const upstream = await added.next();
      const all = Buffer.concat([sent, Buffer.from(" late")]);
      expect(await upstream.bytes(all.length)).toEqual(all);
      upstream.end();
      client.end();
      await client.over();
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
    });
  });
}
