// What must hold under much of everything: of clients who say nothing, of bytes, of refusals, of all at once.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { alerts } from "@helloway/routing/alert";
import { LimitMode } from "@helloway/proto/table";
import { receiveHashed, sendHashed } from "../../harness/hashed-stream.ts";
import type { Peer } from "../../harness/peer.ts";
import { startSayingBackend } from "../../harness/saying-backend.ts";
import { settingsObject } from "../../harness/table-objects.ts";
import { refusingPort, startTcpBackend } from "../../harness/tcp-backend.ts";
import { alertBytes, type Engine, expectBalanced, helloFor, type MakeRelay, routeTo, useEngines } from "./fixture.ts";
import { ask, outcome } from "./outcome.ts";

const name = "app.example.test";
const GIB = 1024 * 1024 * 1024;

/** Of this process, which has both ends of every connection. */
function descriptorLimit(): number {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
}

const SILENT_MAX = 6_000;
const FROM_EACH_SOURCE = 20;

/** Loopback has as many addresses as there are sources in the world. */
const source = (i: number): string => `127.1.${1 + (i >> 7)}.${1 + (i & 127)}`;

export function defineRobustness(makeRelay: MakeRelay): void {
  describe("robustness", () => {
    const start = useEngines(makeRelay);

    test("serves real clients within a second while thousands say nothing or half a hello", async () => {
      await using backend = await startSayingBackend("in");
      const engine = await start();
      // Nobody's time is over before the test is.
      await engine.serve(settingsObject({ hello: { timeoutMs: 60_000, bytesMax: 32_768 } }), routeTo(name, backend));
      const limit = descriptorLimit();
      const count = Math.min(SILENT_MAX, Math.floor(limit / 4));
      const waiting: Socket[] = [];
      const half = helloFor(name).subarray(0, 60);
      while (waiting.length < count) {
        const some = Array.from({ length: Math.min(200, count - waiting.length) }, (_, i) => {
          const localAddress = source(Math.floor((waiting.length + i) / FROM_EACH_SOURCE));
          const socket = connect({ host: engine.ipv4.address, port: engine.ipv4.port, localAddress });
          socket.on("error", () => socket.destroy());
          if (i % 2 === 0) socket.write(half);
          return socket;
        });
        await Promise.all(some.map((socket) => once(socket, "connect")));
        waiting.push(...some);
      }
      // All of them have come before anybody is served, and are still there afterwards.
      const undecided = async (): Promise<number> => (await engine.relay.counters()).undecided;
      await expect.poll(undecided).toBe(count);
      const tookMs: number[] = [];
      for (let i = 0; i < 50; i++) {
        const startedAt = performance.now();
        expect(await ask(engine, name, source(1_000 + i))).toBe("in");
        tookMs.push(performance.now() - startedAt);
      }
      const [slowestMs, , thirdSlowestMs] = tookMs.toSorted((a, b) => b - a);
      process.stdout.write(
        `silent and half hellos: ${count} (of ${limit} descriptors); ` +
          `the slowest of 50 real clients took ${slowestMs!.toFixed(1)} ms\n`,
      );
      // A machine that stands still for a second holds up one of them, or two; a relay that is slow all.
      expect(thirdSlowestMs).toBeLessThan(1_000);
      expect(await undecided()).toBe(count);
      for (const socket of waiting) socket.destroy();
      await engine.closes(name, { backend_closed: 50 });
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(0);
    });

    test("carries 1 GiB each way at once unchanged, in segments of any size", async () => {
      const { promise: accepted, resolve: accept } = Promise.withResolvers<Socket>();
      await using backend = await startTcpBackend({ onSocket: accept });
      const engine = await start();
      await engine.serveOne(name, backend);
      const client = connect({ host: engine.ipv4.address, port: engine.ipv4.port, allowHalfOpen: true });
      await once(client, "connect");
      const hello = helloFor(name);
      client.write(hello);
      const upstream = await accepted;
      const [helloBytes] = (await once(upstream, "data")) as [Buffer];
      expect(helloBytes).toEqual(hello);
      const startedAt = performance.now();
      const [up, upReceived, down, downReceived] = await Promise.all([
        sendHashed(client, GIB),
        receiveHashed(upstream, GIB),
        sendHashed(upstream, GIB),
        receiveHashed(client, GIB),
      ]);
      const seconds = (performance.now() - startedAt) / 1000;
      process.stdout.write(`1 GiB each way, hashed four times by one thread: ${seconds.toFixed(1)} s\n`);
      expect(upReceived).toBe(up);
      expect(downReceived).toBe(down);
      client.end();
      await once(upstream, "end");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      expect(await engine.route(name)).toMatchObject({ rxBytes: hello.length + GIB, txBytes: GIB });
    });

    test("delivers the alert to 1,000 of 1,000 clients that have sent 64 KiB beyond their hello", async () => {
      const engine = await start();
      await engine.serve();
      const beyond = randomBytes(64 * 1024);
      const runs = 1_000;
      const atOnce = 50;
      let delivered = 0;
      const run = async (): Promise<void> => {
        const client = await engine.connect();
        client.send(Buffer.concat([helloFor("nobody.example.test"), beyond]));
        await client.over();
        if (client.ended === "fin" && client.received().equals(alertBytes(alerts.unrecognizedName))) delivered++;
        client.end();
      };
      for (let i = 0; i < runs; i += atOnce) await Promise.all(Array.from({ length: atOnce }, run));
      expect(delivered).toBe(runs);
      await engine.closes("-", { no_route: runs });
    });

    test("has counts that add up at every moment of a mixed load", async () => {
      await using greeting = await startSayingBackend("in");
      await using holding = await startTcpBackend({ onConnection: (peer) => peer.socket.pipe(peer.socket) });
      const engine = await start();
      const dead = { host: "127.0.0.1", port: await refusingPort() };
      const limits = { connections: 10, newPerSecond: 200, mode: LimitMode.ENFORCE };
      const routes = [
        routeTo(name, greeting),
        routeTo("held.example.test", holding, { timeouts: { idleMs: 300 }, limits }),
        routeTo("dead.example.test", dead),
      ];
      await engine.serve(...routes);
      const load = new AbortController();
      let sweeps = 0;
      const sweep = async (): Promise<void> => {
        const grown = new Map<string, number>();
        while (!load.signal.aborted) {
          const counters = await engine.relay.counters();
          expectBalanced(counters);
          // A key only ever grows.
          for (const [uid, { opened }] of counters.routes) {
            expect(opened).toBeGreaterThanOrEqual(grown.get(uid) ?? 0);
            grown.set(uid, opened);
          }
          sweeps++;
        }
      };
      const behaviours: ((engine: Engine) => Promise<unknown>)[] = [
        () => ask(engine, name),
        () => ask(engine, "nobody.example.test"),
        () => ask(engine, "dead.example.test"),
        async () => (await engine.hello(name)).reset(),
        async () => (await engine.connect()).reset(),
        async () => ended(await engine.hello("held.example.test")),
        async () => {
          const client = await engine.hello("held.example.test");
          await Promise.race([client.bytes(1), client.over()]);
          client.reset();
        },
        async () => outcome(await spoken(engine, "GET / HTTP/1.1\r\n\r\n")),
        () => engine.edit(...routes),
        () => engine.relay.cut({}),
      ];
      const worker = async (): Promise<void> => {
        for (let i = 0; i < 150; i++) {
          const behave = behaviours[Math.floor(Math.random() * behaviours.length)]!;
          // A cut may end what a client still waits for.
          await behave(engine).catch(() => undefined);
        }
      };
      const sweeping = sweep();
      await Promise.all(Array.from({ length: 20 }, worker)).finally(() => load.abort());
      await sweeping;
      expect(sweeps).toBeGreaterThan(10);
      await expect
        .poll(async () => {
          const { accepted, undecided } = await engine.relay.counters();
          return undecided === 0 && engine.records.length === accepted;
        })
        .toBe(true);
    });
  });
}

async function spoken(engine: Engine, text: string): Promise<Peer> {
  const client = await engine.connect();
  client.send(text);
  return client;
}

async function ended(client: Peer): Promise<void> {
  await client.over();
  client.end();
}
