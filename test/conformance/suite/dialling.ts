// How a backend is found: which is tried, how often, for how long, and what is never dialled.
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import { startDnsServer } from "../../harness/dns-server.ts";
import type { Peer } from "../../harness/peer.ts";
import { startSilentListener } from "../../harness/silent-listener.ts";
import { routeObject, settingsObject } from "../../harness/table-objects.ts";
import { refusingPort, startTcpBackend } from "../../harness/tcp-backend.ts";
import { backendFields, type Engine, expectRefusal, helloFor, type MakeRelay, useOneEngine } from "./fixture.ts";

const name = "app.example.test";
const MIB = 1024 * 1024;
/** The suite is run with no more workers than these, each of which asks for itself. */
const WORKERS_MAX = 4;
/** For IPv4 and for IPv6 addresses, and once more where an answer takes its time. */
const QUESTIONS_MAX = 2 * 2 * WORKERS_MAX;
/** After as many visits one of four workers is left out in one of eight million tries. */
const VISITS_TO_ALL = 60;

/** Answers with one byte and closes, so that a visit is over at once. */
const greet = (peer: Peer): void => peer.end("x");

async function visit(engine: Engine, host = name): Promise<void> {
  const client = await engine.hello(host);
  await client.over();
  expect(client.received().toString()).toBe("x");
  client.end();
}

export function defineDialling(makeRelay: MakeRelay): void {
  describe("dialling", () => {
    const start = useOneEngine(makeRelay);

    test("goes on to the next backend when one refuses, and counts attempts at each and the connection once", async () => {
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const dead = { host: "127.0.0.1", port: await refusingPort() };
      await engine.serveOne(name, backend, { backends: [dead, backendFields(backend)] });
      await visit(engine);
      await engine.closes(name, { backend_closed: 1 });
      const route = (await engine.route(name))!;
      expect(route.opened).toBe(1);
      expect(route.backends.get(`127.0.0.1:${dead.port}`)).toMatchObject({ attempts: 1, failures: 1, opened: 0 });
      expect(route.backends.get(backend.address)).toMatchObject({ attempts: 1, failures: 0, opened: 1, closed: 1 });
    });

    test("tries at most three addresses", async () => {
      const engine = await start();
      const dead = await Promise.all(Array.from({ length: 5 }, () => refusingPort()));
      const backends = dead.map((port) => ({ host: "127.0.0.1", port }));
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { connect_failed: 1 });
      const tried = [...(await engine.route(name))!.backends.values()];
      expect(tried.reduce((sum, each) => sum + each.attempts, 0)).toBe(3);
    });

    test("tries an address once, by whatever names it is a backend, and then the others", async () => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      const port = await refusingPort();
      const names = ["a.internal", "b.internal", "c.internal"];
      for (const each of names) dns.set(each, ["127.0.0.1"]);
      const backends = [...names.map((host) => ({ host, port })), backendFields(backend)];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      for (let i = 0; i < backends.length; i++) await visit(engine);
      await engine.closes(name, { backend_closed: backends.length });
    });

    test("gives up after ten seconds in all, however long each attempt may take", async () => {
      await using one = await startSilentListener();
      await using two = await startSilentListener();
      await using three = await startSilentListener();
      const engine = await start();
      const backends = [one, two, three].map(backendFields);
      await engine.serve(routeObject(name, { hostnames: [name], timeouts: { connectMs: 6_000 }, backends }));
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await expect.poll(async () => (await engine.route(name))?.closed).toEqual({ connect_timeout: 1 });
      await expect.poll(() => engine.records.length).toBe(1);
      expect(engine.records[0]!.durationMs).toBeGreaterThanOrEqual(9_999);
      // The second is cut short, and the third has no time left.
      const tried = [...((await engine.route(name))?.backends.values() ?? [])];
      expect(tried.reduce((sum, each) => sum + each.attempts, 0)).toBe(2);
    });

    test("uses a tier only when the tiers before it cannot be reached", async () => {
      await using first = await startTcpBackend({ onConnection: greet });
      await using second = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const dead = { host: "127.0.0.1", port: await refusingPort() };
      const tiers = (preferred: { host: string; port: number }) =>
        routeObject(name, {
          hostnames: [name],
          backends: [
            { ...backendFields(second), priority: 1 },
            { ...preferred, priority: 0 },
          ],
        });
      await engine.serve(tiers(backendFields(first)));
      for (let i = 0; i < 5; i++) await visit(engine);
      expect([first.count, second.count]).toEqual([5, 0]);
      await engine.edit(tiers(dead));
      await visit(engine);
      expect([first.count, second.count]).toEqual([5, 1]);
      await engine.closes(name, { backend_closed: 6 });
    });

    test("fails over from a tier of three dead backends", async () => {
      await using spare = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const dead = await Promise.all(Array.from({ length: 3 }, () => refusingPort()));
      const backends = [...dead.map((port) => ({ host: "127.0.0.1", port })), { ...backendFields(spare), priority: 1 }];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      await visit(engine);
      await engine.closes(name, { backend_closed: 1 });
    });

    test("leaves a tier for the next one only when nobody in it answers, however many tiers there are", async () => {
      await using alive = await startTcpBackend({ onConnection: greet });
      await using spare = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const backends = [
        { host: "127.0.0.1", port: await refusingPort(), priority: 0 },
        { ...backendFields(alive), priority: 0 },
        { ...backendFields(spare), priority: 1 },
        { ...backendFields(spare), host: "127.0.0.2", priority: 2 },
      ];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      for (let i = 0; i < 6; i++) await visit(engine);
      expect([alive.count, spare.count]).toEqual([6, 0]);
    });

    test("tries whom it could not reach after the others for a while, and finds who answers in the last of many tiers", async () => {
      await using alive = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const dead = await Promise.all(Array.from({ length: 4 }, () => refusingPort()));
      const backends = [
        ...dead.map((port, i) => ({ host: "127.0.0.1", port, priority: i >> 1 })),
        { ...backendFields(alive), priority: 2 },
      ];
      await engine.serve(
        routeObject(name, { hostnames: [name], backends }),
        routeObject("two", {
          hostnames: ["two.example.test"],
          backends: [{ host: "127.0.0.1", port: await refusingPort() }, backendFields(alive)],
        }),
      );
      let served = 0;
      const startedAt = performance.now();
      for (let i = 0; i < VISITS_TO_ALL; i++) {
        const client = await engine.hello(name);
        await client.over();
        if (client.received().toString() === "x") served++;
        client.end();
        await visit(engine, "two.example.test");
      }
      // What is kept in mind is forgotten after ten seconds.
      const times = 1 + Math.floor((performance.now() - startedAt) / 10_000);
      // Of those that a worker has sent to three that are dead, each knows more than the one before.
      expect(served).toBeGreaterThanOrEqual(VISITS_TO_ALL - 2 * WORKERS_MAX * times);
      for (const route of [name, "two"]) {
        for (const [key, { attempts, opened }] of (await engine.route(route))!.backends) {
          // Once more where another of its tier had not failed yet.
          if (opened === 0) expect([key, attempts <= 2 * WORKERS_MAX * times]).toEqual([key, true]);
        }
      }
    });

    test("keeps in mind that a name's address could not be reached for longer than the name is known", async () => {
      await using dns = await startDnsServer();
      await using spare = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("dead.internal", ["127.0.0.1"], 1);
      const dead = { host: "dead.internal", port: await refusingPort() };
      await engine.serve(
        routeObject(name, { hostnames: [name], backends: [dead, { ...backendFields(spare), priority: 1 }] }),
      );
      const startedAt = performance.now();
      // Longer than two of its answers live.
      while (performance.now() - startedAt < 2_500) await visit(engine);
      const { attempts } = (await engine.route(name))!.backends.get(`${dead.host}:${dead.port}`)!;
      expect(attempts).toBeGreaterThan(0);
      expect(attempts).toBeLessThanOrEqual(WORKERS_MAX);
    });

    test("tries everybody where all have failed, and finds who is back", async () => {
      const engine = await start();
      // Nobody else is given it, and yet it can be listened on.
      const port = await refusingPort();
      const backends = [port, await refusingPort()].map((each) => ({ host: "127.0.0.1", port: each }));
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      for (let i = 0; i < VISITS_TO_ALL; i++) await expectRefusal(await engine.hello(name), alerts.internalError);
      await using _back = await startTcpBackend({ port, onConnection: greet });
      for (let i = 0; i < 5; i++) await visit(engine);
    });

    test("splits a tier by weight", async () => {
      await using heavy = await startTcpBackend({ onConnection: greet });
      await using light = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const backends = [
        { ...backendFields(heavy), weight: 3 },
        { ...backendFields(light), weight: 1 },
      ];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      for (let i = 0; i < 40; i++) await visit(engine);
      expect([heavy.count, light.count]).toEqual([30, 10]);
      await engine.closes(name, { backend_closed: 40 });
    });

    test("gives up on an address that does not answer within the route's connect timeout", async () => {
      await using silent = await startSilentListener();
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start();
      const timeouts = { connectMs: 800 };
      await engine.serve(
        routeObject(name, { hostnames: [name], timeouts, backends: [backendFields(silent)] }),
        routeObject("two", {
          hostnames: ["two.example.test"],
          timeouts,
          backends: [backendFields(silent), backendFields(backend)],
        }),
      );
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { connect_timeout: 1 });
      await visit(engine, "two.example.test");
      await engine.closes("two", { backend_closed: 1 });
    });

    test("gives up when the client resets while a backend is dialled, but not when it only half-closes", async () => {
      await using silent = await startSilentListener();
      await using backend = await startTcpBackend();
      const engine = await start();
      const backends = [backendFields(silent), { ...backendFields(backend), priority: 1 }];
      await engine.serve(routeObject(name, { hostnames: [name], timeouts: { connectMs: 2_500 }, backends }));
      const gone = await engine.hello(name);
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
      gone.reset();
      await engine.closes(name, { client_gone: 1 });
      expect(backend.count).toBe(0);

      const patient = await engine.connect();
      const sent = Buffer.concat([helloFor(name), Buffer.from("early")]);
      patient.end(sent);
      const upstream = await backend.next();
      expect(await upstream.over()).toBe("fin");
      expect(upstream.received()).toEqual(sent);
      upstream.end("late");
      expect((await patient.bytes(4)).toString()).toBe("late");
      await engine.closes(name, { client_gone: 1, client_closed: 1 });
    });

    test("sends what arrives while a backend is dialled after the hello", async () => {
      await using silent = await startSilentListener();
      await using backend = await startTcpBackend();
      const engine = await start();
      const backends = [backendFields(silent), { ...backendFields(backend), priority: 1 }];
      await engine.serve(routeObject(name, { hostnames: [name], timeouts: { connectMs: 1_000 }, backends }));
      const client = await engine.connect();
      const hello = helloFor(name);
      client.send(hello);
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
      const early = Buffer.alloc(700_000, "early data ");
      client.send(early);
      const upstream = await backend.next();
      const received = await upstream.bytes(hello.length + early.length);
      expect(received.equals(Buffer.concat([hello, early]))).toBe(true);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
    });

    test("does not take in all that a client sends while a backend is dialled", async () => {
      await using silent = await startSilentListener();
      const engine = await start();
      await engine.serve(
        routeObject(name, { hostnames: [name], timeouts: { connectMs: 500 }, backends: [backendFields(silent)] }),
      );
      const client = await engine.hello(name);
      client.send(Buffer.alloc(32 * MIB));
      await engine.closes(name, { connect_timeout: 1 });
      // 256 KiB while it dials, and as much that a refused client may go on sending.
      expect((await engine.route(name))!.rxBytes).toBeLessThan(MIB);
      client.socket.destroy();
    });

    test("never tries another backend once the first has the hello", async () => {
      await using first = await startTcpBackend();
      await using second = await startTcpBackend();
      const engine = await start();
      const backends = [backendFields(first), { ...backendFields(second), priority: 1 }];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      const client = await engine.hello(name);
      const upstream = await first.next();
      await upstream.bytes(helloFor(name).length);
      upstream.reset();
      expect(await client.over()).toBe("reset");
      await engine.closes(name, { backend_reset: 1 });
      expect(second.count).toBe(0);
    });

    test("resolves a backend's name over DNS, uses the answer as long as it lives, and tries its further addresses", async () => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("backend.internal", ["127.0.0.1"]);
      await engine.serve(
        routeObject(name, { hostnames: [name], backends: [{ host: "backend.internal", port: backend.port }] }),
      );
      for (let i = 0; i < 5 * WORKERS_MAX; i++) await visit(engine);
      expect(dns.questions("backend.internal")).toBeLessThanOrEqual(QUESTIONS_MAX);
      expect(new Set(dns.asked)).toEqual(new Set(["backend.internal"]));

      dns.set("several.internal", ["127.0.0.2", "127.0.0.1"]);
      await engine.edit(
        routeObject("two", {
          hostnames: ["two.example.test"],
          backends: [{ host: "several.internal", port: backend.port }],
        }),
      );
      for (let i = 0; i < 10; i++) await visit(engine, "two.example.test");
      expect((await engine.route("two"))!.backends.get(`several.internal:${backend.port}`)?.opened).toBe(10);
      await engine.closes("two", { backend_closed: 10 });
    });

    test("asks once for a backend's name that many connections want at the same time", async () => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("backend.internal", ["127.0.0.1"]);
      await engine.serve(
        routeObject(name, { hostnames: [name], backends: [{ host: "backend.internal", port: backend.port }] }),
      );
      await Promise.all(Array.from({ length: 50 }, () => visit(engine)));
      expect(dns.questions("backend.internal")).toBeLessThanOrEqual(QUESTIONS_MAX);
      await engine.closes(name, { backend_closed: 50 });
    });

    test("asks again when an answer's time is over", async () => {
      await using dns = await startDnsServer();
      await using before = await startTcpBackend({ onConnection: greet });
      await using after = await startTcpBackend({ host: "127.0.0.2", onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("moving.internal", ["127.0.0.1"], 1);
      const backends = [
        { host: "moving.internal", port: before.port },
        { host: "moving.internal", port: after.port },
      ];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      await visit(engine);
      expect([before.count, after.count]).toEqual([1, 0]);
      dns.set("moving.internal", ["127.0.0.2"], 1);
      await expect
        .poll(
          async () => {
            await visit(engine);
            return after.count;
          },
          { interval: 100 },
        )
        .toBeGreaterThan(0);
    });

    test("goes on with the last answer while the resolvers fail", async () => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("backend.internal", ["127.0.0.1"], 1);
      await engine.serve(
        routeObject(name, { hostnames: [name], backends: [{ host: "backend.internal", port: backend.port }] }),
      );
      // Each worker has an answer of its own, and who accepts is the system's choice.
      for (let i = 0; i < VISITS_TO_ALL; i++) await visit(engine);
      dns.set("backend.internal", "servfail");
      const asked = dns.questions("backend.internal");
      await expect
        .poll(
          async () => {
            await visit(engine);
            return dns.questions("backend.internal");
          },
          { interval: 100 },
        )
        .toBeGreaterThan(asked);
      await visit(engine);
    });

    test("goes on to the next tier while the resolvers are silent, before a dial's time is over", async () => {
      await using dns = await startDnsServer();
      await using second = await startDnsServer();
      await using spare = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address, second.address] });
      for (const each of [dns, second]) each.set("silent.internal", "silent");
      const backends = [
        { host: "silent.internal", port: 443 },
        { ...backendFields(spare), priority: 1 },
      ];
      await engine.serve(routeObject(name, { hostnames: [name], backends }));
      await visit(engine);
      await engine.closes(name, { backend_closed: 1 });
    });

    test.each([
      ["loopback that was not granted", ["127.0.0.1"]],
      ["the metadata service", ["169.254.169.254"]],
      ["metadata in a v4-mapped address", ["::ffff:169.254.169.254"]],
      ["a network that was not granted", ["10.1.2.3"]],
      ["every address of this host", ["0.0.0.0"]],
    ])("never dials a name that resolves to %s", async (_what, answer) => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend();
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("evil.example", answer);
      const grants = {
        default: { cidrs: ["public", "127.0.0.2/32", "169.254.0.0/16"], ports: [{ from: 1, to: 65_535 }] },
      };
      await engine.serve(
        settingsObject({ grants }),
        routeObject(name, { hostnames: [name], backends: [{ host: "evil.example", port: backend.port }] }),
      );
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect((await engine.route(name))!.backends.size).toBe(0);
      expect(backend.count).toBe(0);
    });

    test("dials only the addresses of a name that are allowed", async () => {
      await using dns = await startDnsServer();
      await using backend = await startTcpBackend({ onConnection: greet });
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("mixed.example", ["169.254.169.254", "10.0.0.1", "127.0.0.1", "::1"]);
      const grants = { default: { cidrs: ["127.0.0.0/8"], ports: [{ from: 1, to: 65_535 }] } };
      await engine.serve(
        settingsObject({ grants }),
        routeObject(name, { hostnames: [name], backends: [{ host: "mixed.example", port: backend.port }] }),
      );
      for (let i = 0; i < 6; i++) await visit(engine);
      expect((await engine.route(name))!.backends.get(`mixed.example:${backend.port}`)).toMatchObject({
        attempts: 6,
        failures: 0,
      });
    });

    test("never dials its own listeners by a name", async () => {
      await using dns = await startDnsServer();
      const engine = await start({ dnsServers: [dns.address] });
      dns.set("self.example", ["127.0.0.1", "::1"]);
      const backends = [
        { host: "self.example", port: engine.ipv4.port },
        { host: "self.example", port: engine.ipv6.port },
      ];
      await engine.serve(
        settingsObject({
          grants: { default: { cidrs: ["127.0.0.1/32"], ports: [{ from: engine.ipv4.port, to: engine.ipv4.port }] } },
        }),
        routeObject(name, { hostnames: [name], backends }),
      );
      await expectRefusal(await engine.hello(name), alerts.internalError);
      await engine.closes(name, { no_backend: 1 });
      expect((await engine.relay.counters()).accepted).toBe(1);
    });

    test("does not take an honest client of this host for its own socket", async () => {
      // Ports of clients and of upstream sockets come from one range: among this many some coincide.
      await using backend = await startTcpBackend({ onConnection: () => undefined });
      const engine = await start();
      await engine.serveOne(name, backend);
      const clients: Peer[] = [];
      for (let i = 0; i < 600; i++) clients.push(await engine.hello(name));
      await expect.poll(() => backend.count).toBe(clients.length);
      for (const client of clients) client.reset();
      await engine.closes(name, { client_reset: clients.length });
    });
  });
}
