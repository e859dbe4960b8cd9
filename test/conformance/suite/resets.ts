// Resets at every stage of a connection's life: each ends it with one reason, named by the side that ended it first.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import type { CloseReason } from "@helloway/routing/close-reason";
import type { Peer } from "../../harness/peer.ts";
import { proxyLine, proxyV2 } from "../../harness/proxy-header.ts";
import { startSilentListener } from "../../harness/silent-listener.ts";
import { startTcpBackend, type TcpBackend } from "../../harness/tcp-backend.ts";
import { alertBytes, type Engine, helloFor, type MakeRelay, routeTo, useEngines } from "./fixture.ts";

const name = "app.example.test";
const PIECE_BYTES = 64 * 1024;
const alertStart = alertBytes(0).subarray(0, -1);

interface Pair {
  client: Peer;
  upstream: Peer;
}

async function forwarded(engine: Engine, backend: TcpBackend): Promise<Pair> {
  const client = await engine.hello(name);
  const upstream = await backend.next();
  await upstream.bytes(helloFor(name).length);
  return { client, upstream };
}

/** Data that the reader does not take is on its way, and everything between is full. */
async function fill(writer: Peer, reader: Peer): Promise<void> {
  reader.socket.pause();
  const piece = randomBytes(PIECE_BYTES);
  let taken = 0;
  const next = (): void => {
    // An error: the reset that the test is about.
    writer.socket.write(piece, (error) => {
      if (error) return;
      taken += piece.length;
      next();
    });
  };
  next();
  let before = 0;
  await expect
    .poll(
      () => {
        const isFull = taken === before && taken > 0;
        before = taken;
        return isFull;
      },
      { interval: 200 },
    )
    .toBe(true);
}

async function halfClosed(by: Peer, other: Peer): Promise<void> {
  by.end();
  expect(await other.over()).toBe("fin");
}

/** What happens to a forwarded connection, and the reason that is due. */
const stages: [string, (pair: Pair) => Promise<void> | void, CloseReason][] = [
  ["the client, with nothing under way", ({ client }) => client.reset(), "client_reset"],
  ["the backend, with nothing under way", ({ upstream }) => upstream.reset(), "backend_reset"],
  [
    "the client, while it does not take what it is sent",
    async ({ client, upstream }) => {
      await fill(upstream, client);
      client.reset();
    },
    "client_reset",
  ],
  [
    "the backend, while the client does not take what it was sent",
    async ({ client, upstream }) => {
      await fill(upstream, client);
      upstream.reset();
      client.socket.resume();
    },
    "backend_reset",
  ],
  [
    "the backend, while it does not take what it is sent",
    async ({ client, upstream }) => {
      await fill(client, upstream);
      upstream.reset();
    },
    "backend_reset",
  ],
  [
    "the client, while the backend does not take what it was sent",
    async ({ client, upstream }) => {
      await fill(client, upstream);
      client.reset();
      upstream.socket.resume();
    },
    "client_reset",
  ],
  [
    "the client, after its own FIN",
    async ({ client, upstream }) => {
      await halfClosed(client, upstream);
      client.reset();
    },
    "client_closed",
  ],
  [
    "the backend, after the client's FIN",
    async ({ client, upstream }) => {
      await halfClosed(client, upstream);
      upstream.reset();
    },
    "client_closed",
  ],
  [
    "the client, after the backend's FIN",
    async ({ client, upstream }) => {
      await halfClosed(upstream, client);
      client.reset();
    },
    "backend_closed",
  ],
  [
    "the backend, after its own FIN",
    async ({ client, upstream }) => {
      await halfClosed(upstream, client);
      upstream.reset();
    },
    "backend_closed",
  ],
  [
    "the client, after its own FIN, while it does not take what it is sent",
    async ({ client, upstream }) => {
      await halfClosed(client, upstream);
      await fill(upstream, client);
      client.reset();
    },
    "client_closed",
  ],
  [
    "the client, while what the backend said before its FIN is not taken",
    async ({ client, upstream }) => {
      await fill(upstream, client);
      upstream.end();
      client.reset();
    },
    "client_reset",
  ],
  [
    "the backend, while what the client said before its FIN is not taken",
    async ({ client, upstream }) => {
      await fill(client, upstream);
      client.end();
      upstream.reset();
    },
    "backend_reset",
  ],
];

export function defineResets(makeRelay: MakeRelay): void {
  describe("a reset", () => {
    const start = useEngines(makeRelay);

    test.each(stages)("of %s", async (_whose, happen, reason) => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const pair = await forwarded(engine, backend);
      await happen(pair);
      if (reason.endsWith("_closed")) {
        // Whoever has only seen FINs cannot know of a reset until something is sent.
        pair.client.send("x");
        pair.upstream.send("x");
      }
      await engine.closes(name, { [reason]: 1 });
      // The hello went to a backend: no alert any more.
      expect(pair.client.received().indexOf(alertStart)).toBe(-1);
      for (const { socket } of [pair.client, pair.upstream]) socket.destroy();
    });

    test("before anything was said, within a hello, and by a refused client", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      for (const bytes of [Buffer.alloc(0), helloFor(name).subarray(0, 1), helloFor(name).subarray(0, 40)]) {
        const client = await engine.connect();
        client.send(bytes);
        await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
        client.reset();
        await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(0);
      }
      await engine.closes("-", { client_gone: 3 });
      const refused = await engine.hello("nobody.example.test");
      expect(await refused.over()).toBe("fin");
      refused.reset();
      await engine.closes("-", { client_gone: 3, no_route: 1 });
      expect(backend.count).toBe(0);
    });

    test("within a PROXY header", async () => {
      const listen = [{ address: "127.0.0.1", port: 0, proxy: true }];
      const engine = await start({ listen, proxyTrusted: ["127.0.0.0/8"] });
      await engine.serve();
      const ends = { source: "192.0.2.1", sourcePort: 1_024, destination: "192.0.2.2", destinationPort: 443 };
      const headers = [Buffer.from(proxyLine(ends)), proxyV2(ends)];
      for (const bytes of headers.flatMap((header) => [header.subarray(0, 13), header])) {
        const client = await engine.connect();
        client.send(bytes);
        await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
        client.reset();
        await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(0);
      }
      await engine.closes("-", { client_gone: 4 });
    });

    test("of a backend as soon as it has accepted fails the attempt, or ends what was forwarded", async () => {
      await using backend = await startTcpBackend({ onConnection: (peer) => peer.reset() });
      const engine = await start();
      await engine.serveOne(name, backend);
      const count = 100;
      const clients = await Promise.all(Array.from({ length: count }, () => engine.hello(name)));
      let refused = 0;
      for (const client of clients) {
        // Refused with an alert when the reset was there before the connection was.
        if ((await client.over()) === "fin") refused++;
        client.end();
      }
      const closed = { connect_failed: refused, backend_reset: count - refused };
      await expect.poll(async () => (await engine.route(name))?.closed).toEqual(withoutZeros(closed));
      const [counters] = (await engine.route(name))!.backends.values();
      const opened = count - refused;
      expect(counters).toMatchObject({ attempts: count, failures: refused, opened, closed: opened });
    });

    test.each(["client", "upstream"] as const)(
      "of the %s while a cut waits for its flush leaves it a cut",
      async (side) => {
        await using backend = await startTcpBackend();
        const engine = await start();
        await engine.serveOne(name, backend);
        const pair = await forwarded(engine, backend);
        await fill(pair.upstream, pair.client);
        expect(await engine.relay.cut({})).toBe(1);
        pair[side].reset();
        await engine.closes(name, { cut: 1 });
        for (const { socket } of [pair.client, pair.upstream]) socket.destroy();
      },
    );

    test("while the edge drains ends what it would have ended otherwise, and the drain with the last", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const pairs = [await forwarded(engine, backend), await forwarded(engine, backend)] as const;
      const waiting = await engine.connect();
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
      const drained = engine.relay.drain({ timeoutMs: 600_000 });
      const refused = await engine.hello(name);
      expect(await refused.over()).toBe("fin");
      refused.reset();
      waiting.reset();
      pairs[0].client.reset();
      pairs[1].upstream.reset();
      await drained;
      await engine.closes(name, { client_reset: 1, backend_reset: 1 });
      await engine.closes("-", { client_gone: 1, draining: 1 });
      for (const { client, upstream } of pairs) for (const { socket } of [client, upstream]) socket.destroy();
    });

    test("while a backend is dialled", async () => {
      await using silent = await startSilentListener();
      const engine = await start();
      await engine.serve(routeTo(name, silent));
      const clients = await Promise.all(Array.from({ length: 20 }, () => engine.hello(name)));
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(20);
      for (const client of clients) client.reset();
      await engine.closes(name, { client_gone: 20 });
    });

    test("right behind the hello ends every connection with one reason, whatever it had come to", async () => {
      await using backend = await startTcpBackend({ onConnection: (peer) => peer.send("hello") });
      const engine = await start();
      await engine.serveOne(name, backend);
      const count = 200;
      for (let i = 0; i < count; i++) {
        const client = await engine.hello(name);
        client.reset();
      }
      await expect.poll(() => engine.records.length).toBe(await accepted(engine));
      const reasons = new Set(engine.records.map(({ reason }) => reason));
      for (const reason of reasons) expect(["client_gone", "client_reset"]).toContain(reason);
    });

    test("before the engine has accepted harms nobody else", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      for (let i = 0; i < 300; i++) {
        const socket = connect({ host: engine.ipv4.address, port: engine.ipv4.port });
        socket.once("connect", () => socket.resetAndDestroy());
        socket.on("error", () => socket.destroy());
      }
      const { client, upstream } = await forwarded(engine, backend);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(0);
      await expect.poll(() => engine.records.length).toBe(await accepted(engine));
    });
  });
}

async function accepted(engine: Engine): Promise<number> {
  return (await engine.relay.counters()).accepted;
}

function withoutZeros(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
