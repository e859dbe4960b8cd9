// When the engine itself ends connections: timeouts of the route, cut, drain, close.
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import type { Peer } from "../../harness/peer.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { routeObject, routeUid } from "../../harness/table-objects.ts";
import { startTcpBackend, type TcpBackend } from "../../harness/tcp-backend.ts";
import { type Engine, expectRefusal, helloFor, type MakeRelay, useEngines } from "./fixture.ts";

const name = "app.example.test";
/** What a connection has for its last bytes when the engine ends it; then it is reset. */
const CUT_FLUSH_MS = 1_000;

async function forwarded(engine: Engine, backend: TcpBackend, host = name): Promise<{ client: Peer; upstream: Peer }> {
  const client = await engine.hello(host);
  const upstream = await backend.next();
  await upstream.bytes(helloFor(host).length);
  return { client, upstream };
}

export function defineEnding(makeRelay: MakeRelay): void {
  describe("timeouts", () => {
    const start = useEngines(makeRelay);

    test("ends a connection on which nothing moves for the idle time, with a FIN to both sides", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 200 } });
      const { client, upstream } = await forwarded(engine, backend);
      expect(await client.over()).toBe("fin");
      expect(await upstream.over()).toBe("fin");
      client.end();
      upstream.end();
      await engine.closes(name, { idle_timeout: 1 });
    });

    test("resets what does not close within a second of its own cut", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 100 } });
      const { client, upstream } = await forwarded(engine, backend);
      expect(await client.over()).toBe("fin");
      await engine.closes(name, { idle_timeout: 1 });
      expect(engine.records[0]!.durationMs).toBeGreaterThanOrEqual(1_099);
      // A socket that has seen the FIN sees a reset only when it writes; one that was merely closed would take one write.
      client.send("x");
      upstream.send("x");
      await client.closedByReset();
      await upstream.closedByReset();
    });

    test("lets bytes in either direction keep a connection alive", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 2_500 } });
      const { client, upstream } = await forwarded(engine, backend);
      const started = performance.now();
      let said = 0;
      while (performance.now() - started < 6_000) {
        const speaker = said % 2 === 0 ? client : upstream;
        const listener = speaker === client ? upstream : client;
        const before = listener.receivedBytes;
        speaker.send("x");
        await listener.bytes(before + 1);
        said++;
      }
      expect(client.ended).toBe(null);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
    });

    test("ends a half-closed connection on which nothing moves after the shorter halfClosed time", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 60_000, halfClosedMs: 200 } });
      const { client, upstream } = await forwarded(engine, backend);
      client.end();
      expect(await upstream.over()).toBe("fin");
      expect(await client.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { half_closed_timeout: 1 });
    });

    test("ends a connection whose client takes nothing of a pending write for the writeStall time", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 60_000, writeStallMs: 300 } });
      const { client, upstream } = await forwarded(engine, backend);
      client.socket.pause();
      upstream.send(Buffer.alloc(64 * 1024 * 1024));
      await engine.closes(name, { write_stall: 1 });
      client.socket.destroy();
      upstream.socket.destroy();
    });

    test("ends a half-closed connection after the idle time where that is the shorter one", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 200, halfClosedMs: 60_000 } });
      const { client, upstream } = await forwarded(engine, backend);
      client.end();
      expect(await upstream.over()).toBe("fin");
      expect(await client.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { idle_timeout: 1 });
    });

    test("ends a connection whose backend takes nothing of a pending write for the writeStall time", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 60_000, writeStallMs: 300 } });
      const { client, upstream } = await forwarded(engine, backend);
      upstream.socket.pause();
      client.send(Buffer.alloc(64 * 1024 * 1024));
      await engine.closes(name, { write_stall: 1 });
      client.socket.destroy();
      upstream.socket.destroy();
    });

    test("does not count time with a pending write as idle", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { idleMs: 4_000, writeStallMs: 30_000 } });
      // More than the kernel's buffers hold, so that a write stays pending as long as the client does not read.
      const body = Buffer.alloc(96 * 1024 * 1024);
      const { client, upstream } = await forwarded(engine, backend);
      client.socket.pause();
      upstream.send(body);
      // The clock: another connection that runs into the idle time, which is longer than an eighth of writeStall.
      const clock = await forwarded(engine, backend);
      await clock.client.over();
      clock.client.end();
      clock.upstream.end();
      await engine.closes(name, { idle_timeout: 1 });
      expect((await engine.route(name))!.opened).toBe(2);
      client.socket.resume();
      await client.bytes(body.length);
      client.end();
      upstream.end();
      await expect.poll(() => engine.records.length).toBe(2);
      expect((await engine.route(name))!.txBytes).toBe(body.length);
    });

    test("ends a busy connection after its maximum duration", async () => {
      await using backend = await startTcpBackend({ onConnection: (peer) => peer.socket.pipe(peer.socket) });
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { maxDurationMs: 400 } });
      const client = await engine.hello(name);
      const chatter = setInterval(() => client.send("x"), 20);
      expect(await client.over().finally(() => clearInterval(chatter))).toBe("fin");
      client.end();
      await engine.closes(name, { max_duration: 1 });
    });

    test("counts the maximum duration from when the client was accepted", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend, { timeouts: { maxDurationMs: 2_000 } });
      const early = await engine.connect();
      const clock = await forwarded(engine, backend);
      await clock.client.over();
      // Who says hello only now has been here as long, and has no other two seconds.
      early.send(helloFor(name));
      const late = await engine.hello(name);
      expect(await Promise.race([early.over().then(() => "early"), late.over().then(() => "late")])).toBe("early");
      for (const client of [clock.client, early, late]) client.end();
      await engine.closes(name, { max_duration: 3 });
    });
  });

  describe("cut, drain and close", () => {
    const start = useEngines(makeRelay);

    test("cuts the established connections of one route and says how many", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      const backends = [{ host: backend.host, port: backend.port }];
      await engine.serve(
        routeObject("one", { hostnames: ["one.example.test"], backends }),
        routeObject("two", { hostnames: ["two.example.test"], backends }),
      );
      const one = await forwarded(engine, backend, "one.example.test");
      const two = await forwarded(engine, backend, "two.example.test");
      expect(await engine.relay.cut({ routeUid: routeUid("one") })).toBe(1);
      expect(await one.client.over()).toBe("fin");
      expect(await one.upstream.over()).toBe("fin");
      one.client.end();
      one.upstream.end();
      await engine.closes("one", { cut: 1 });
      expect(two.client.ended).toBe(null);
      expect(await engine.relay.cut({})).toBe(1);
      expect(await two.client.over()).toBe("fin");
      two.client.end();
      two.upstream.end();
      await engine.closes("two", { cut: 1 });
      expect(await engine.relay.cut({})).toBe(0);
    });

    test("flushes what the backend has said before it cuts", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      upstream.send("last words");
      await expect.poll(async () => (await engine.route(name))!.txBytes).toBe(10);
      await engine.relay.cut({});
      expect(await client.over()).toBe("fin");
      expect(client.received().toString()).toBe("last words");
      client.end();
      upstream.end();
      await engine.closes(name, { cut: 1 });
    });

    test("delivers nothing but what the backend has said when it cuts what a client is slow to take", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      const said = Buffer.alloc(32 * 1024 * 1024);
      for (let at = 0; at < said.length; at += 4) said.writeUInt32BE(at, at);
      client.socket.pause();
      upstream.send(said);
      let taken = -1;
      const isStuck = async (): Promise<boolean> => {
        const before = taken;
        taken = (await engine.route(name))!.txBytes;
        return taken > 0 && taken === before;
      };
      await expect.poll(isStuck, { interval: 100 }).toBe(true);
      const cutAt = performance.now();
      await engine.relay.cut({});
      client.socket.resume();
      const end = await client.over();
      const received = client.received();
      // Who needs longer than a second for it is reset, and its system throws away what it has not read.
      if (performance.now() - cutAt < CUT_FLUSH_MS) expect(end).toBe("fin");
      if (end === "fin") expect(received.length).toBeGreaterThanOrEqual(taken);
      expect(received.equals(said.subarray(0, received.length))).toBe(true);
      client.end();
      upstream.end();
      await engine.closes(name, { cut: 1 });
    });

    test("refuses new connections while it drains, lets the others go on, and serves again on the same socket after resume", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const old = await forwarded(engine, backend);
      const port = engine.ipv4.port;
      const drained = engine.relay.drain({ timeoutMs: 600_000 });
      await expectRefusal(await engine.connect(), alerts.internalError);
      await engine.closes("-", { draining: 1 });
      old.client.send("still here");
      await old.upstream.bytes(helloFor(name).length + 10);
      await engine.relay.resume();
      await drained;
      expect(engine.ipv4.port).toBe(port);
      const fresh = await forwarded(engine, backend);
      for (const { client, upstream } of [old, fresh]) {
        client.end();
        expect(await upstream.over()).toBe("fin");
        upstream.end();
      }
      await engine.closes(name, { client_closed: 2 });
    });

    test("ends a drain when the last connection has ended by itself", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      const drained = engine.relay.drain({ timeoutMs: 600_000 });
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await drained;
      await engine.closes(name, { client_closed: 1 });
    });

    test("a second drain sets another time for what the first has left, and both end together", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      const ended: string[] = [];
      const first = engine.relay.drain({ timeoutMs: 600_000 }).then(() => ended.push("first"));
      const second = engine.relay.drain({ timeoutMs: 600_000 }).then(() => ended.push("second"));
      // It is answered after whatever the drains had to say at once.
      await engine.relay.counters();
      expect(ended).toEqual([]);
      const third = engine.relay.drain({ timeoutMs: 0 });
      expect(await client.over()).toBe("fin");
      client.end();
      upstream.end();
      await Promise.all([first, second, third]);
      await engine.closes(name, { drained: 1 });
    });

    test("closes what is left one after the other in the second half of a drain", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const pairs: { client: Peer; upstream: Peer }[] = [];
      for (let i = 0; i < 20; i++) pairs.push(await forwarded(engine, backend));
      const endedAt: number[] = [];
      const startedAt = performance.now();
      const ends = pairs.map(async ({ client, upstream }) => {
        await client.over();
        endedAt.push(performance.now() - startedAt);
        client.end();
        upstream.end();
      });
      const timeoutMs = 8_000;
      await engine.relay.drain({ timeoutMs });
      await Promise.all(ends);
      expect(Math.min(...endedAt)).toBeGreaterThanOrEqual(timeoutMs / 2 - 1);
      const distinct = new Set(endedAt.map((each) => Math.floor(each / 20)));
      // Among workers that have as many each, some end at the same time.
      expect(distinct.size).toBeGreaterThan(2);
      await engine.closes(name, { drained: pairs.length });
      await engine.relay.resume();
    });

    test("ends everything at once when a drain has no time, undecided clients with an alert", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const undecided = await engine.connect();
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
      const { client, upstream } = await forwarded(engine, backend);
      const drained = engine.relay.drain({ timeoutMs: 0 });
      await expectRefusal(undecided, alerts.internalError);
      expect(await client.over()).toBe("fin");
      client.end();
      upstream.end();
      await drained;
      await engine.closes(name, { drained: 1 });
      await engine.closes("-", { draining: 1 });
    });

    test("delivers what a backend has said even when a drain has no time", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      client.socket.pause();
      upstream.send(Buffer.alloc(16 * 1024 * 1024));
      await expect.poll(async () => (await engine.route(name))!.txBytes).toBeGreaterThan(1024 * 1024);
      const drainedAt = performance.now();
      const drained = engine.relay.drain({ timeoutMs: 0 });
      client.socket.resume();
      const end = await client.over();
      if (performance.now() - drainedAt < CUT_FLUSH_MS) expect(end).toBe("fin");
      client.end();
      upstream.end();
      await drained;
      await engine.closes(name, { drained: 1 });
      const { txBytes } = (await engine.route(name))!;
      if (end === "fin") expect(txBytes).toBe(client.receivedBytes);
    });

    test("closes its listeners and every connection", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      const address = { ...engine.ipv4 };
      const closed = engine.relay.close();
      expect(await client.over()).toBe("fin");
      client.end();
      upstream.end();
      await closed;
      await engine.closes(name, { drained: 1 });
      expect(engine.relay.listeners).toEqual([]);
      await expect(connectRaw(address)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    });

    test("names the address that it cannot listen on", async () => {
      const engine = await start();
      const taken = { ...engine.ipv4 };
      await expect(start({ listen: [taken] })).rejects.toMatchObject({
        code: "EADDRINUSE",
        address: taken.address,
        port: taken.port,
      });
    });
  });
}
