// What passes between client and backend once a route is decided: every byte, every FIN, every reset, and no more memory than
// the rules allow.
import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Peer } from "../../harness/peer.ts";
import { connectRaw } from "../../harness/raw-client.ts";
import { startTcpBackend, type TcpBackend } from "../../harness/tcp-backend.ts";
import { type Engine, helloFor, type MakeRelay, useOneEngine } from "./fixture.ts";
import { timerOf } from "./tcp-timer.ts";

const name = "app.example.test";
const MIB = 1024 * 1024;

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

export function defineForwarding(makeRelay: MakeRelay): void {
  describe("forwarding", () => {
    const start = useOneEngine(makeRelay);

    test("hands the hello and what follows it to the backend unchanged, and the answer to the client", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const client = await engine.connect();
      const sent = Buffer.concat([helloFor(name), randomBytes(9_000)]);
      client.send(sent);
      const upstream = await backend.next();
      expect((await upstream.bytes(sent.length)).equals(sent)).toBe(true);
      upstream.send("answer");
      expect((await client.bytes(6)).toString()).toBe("answer");
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      expect(await client.over()).toBe("fin");
      await engine.closes(name, { client_closed: 1 });
      expect(await engine.route(name)).toMatchObject({ rxBytes: sent.length, txBytes: 6 });
    });

    test("assembles a hello that arrives one byte a segment", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const client = await engine.connect();
      const hello = helloFor(name);
      for (const byte of hello) {
        await new Promise<void>((resolve) => {
          client.socket.write(Uint8Array.of(byte), () => resolve());
        });
      }
      const upstream = await backend.next();
      expect((await upstream.bytes(hello.length)).equals(hello)).toBe(true);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
    });

    test("waits for the second half of a hello", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const client = await engine.connect();
      const hello = helloFor(name);
      client.send(hello.subarray(0, 30));
      // The first half is read before the second is sent: another whole connection has passed meanwhile.
      await expect.poll(async () => (await engine.relay.counters()).undecided).toBe(1);
      const other = await forwarded(engine, backend);
      expect((await engine.relay.counters()).undecided).toBe(1);
      client.send(hello.subarray(30));
      const upstream = await backend.next();
      expect((await upstream.bytes(hello.length)).equals(hello)).toBe(true);
      for (const pair of [{ client, upstream }, other]) {
        pair.client.end();
        expect(await pair.upstream.over()).toBe("fin");
        pair.upstream.end();
      }
      await engine.closes(name, { client_closed: 2 });
    });

    test("serves IPv6 clients and IPv6 backends", async () => {
      await using backend = await startTcpBackend({ host: "::1" });
      const engine = await start();
      await engine.serveOne(name, backend);
      const client = await connectRaw(engine.ipv6);
      client.send(helloFor(name));
      const upstream = await backend.next();
      upstream.end("over IPv6");
      expect((await client.bytes(9)).toString()).toBe("over IPv6");
      client.end();
      await engine.closes(name, { backend_closed: 1 });
      expect(engine.records[0]).toMatchObject({ src: "::1", backend: backend.address });
      expect(engine.records[0]?.listener).toBe(`[::1]:${engine.ipv6.port}`);
    });

    test("passes on the client's FIN and still delivers what the backend then says", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      client.end();
      expect(await upstream.over()).toBe("fin");
      const answer = randomBytes(300_000);
      upstream.send(answer);
      expect((await client.bytes(answer.length)).equals(answer)).toBe(true);
      expect(client.ended).toBe(null);
      upstream.end();
      expect(await client.over()).toBe("fin");
      await engine.closes(name, { client_closed: 1 });
    });

    test("passes on the backend's FIN and still delivers what the client then says", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      upstream.end();
      expect(await client.over()).toBe("fin");
      const more = randomBytes(300_000);
      client.send(more);
      const received = await upstream.bytes(helloFor(name).length + more.length);
      expect(received.subarray(helloFor(name).length).equals(more)).toBe(true);
      expect(upstream.ended).toBe(null);
      client.end();
      expect(await upstream.over()).toBe("fin");
      await engine.closes(name, { backend_closed: 1 });
    });

    test("passes on the client's reset as a reset", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      client.reset();
      expect(await upstream.over()).toBe("reset");
      await engine.closes(name, { client_reset: 1 });
    });

    test("passes on the backend's reset as a reset", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      upstream.reset();
      expect(await client.over()).toBe("reset");
      await engine.closes(name, { backend_reset: 1 });
    });

    test("names the side that ended first when the other resets afterwards", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.reset();
      expect(await client.over()).toBe("reset");
      await engine.closes(name, { client_closed: 1 });
    });

    test("probes a client from whom nothing comes", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const client = await engine.hello(name);
      await (await backend.next()).bytes(helloFor(name).length);
      const port = client.socket.localPort!;
      await expect.poll(() => timerOf(engine.ipv4.port, port)?.kind).toBe("keepalive");
      client.end();
    });

    test("holds little of what a client does not read, and delivers all of it when it does", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      client.socket.pause();
      const body = randomBytes(48 * MIB);
      upstream.send(body);
      const held = await steady(() => upstream.socket.bytesWritten - upstream.socket.writableLength);
      expect(held).toBeLessThan(body.length);
      // What left the backend and was not accepted by the client's socket is with the engine or in the kernel's buffers.
      const route = await engine.route(name);
      expect(route!.txBytes).toBeGreaterThan(0);
      expect(route!.txBytes).toBeLessThan(body.length);
      client.socket.resume();
      expect(sha256(await client.bytes(body.length))).toBe(sha256(body));
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      expect((await engine.route(name))!.txBytes).toBe(body.length);
    });

    test("holds little of what a backend does not read, and delivers all of it when it does", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      upstream.socket.pause();
      const body = randomBytes(48 * MIB);
      client.send(body);
      const read = await steady(async () => (await engine.route(name))!.rxBytes);
      expect(read).toBeLessThan(body.length);
      upstream.socket.resume();
      const hello = helloFor(name);
      const received = await upstream.bytes(hello.length + body.length);
      expect(sha256(received.subarray(hello.length))).toBe(sha256(body));
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      expect((await engine.route(name))!.rxBytes).toBe(hello.length + body.length);
    });

    test("carries 64 MiB each way at once, in pieces of any size", async () => {
      await using backend = await startTcpBackend();
      const engine = await start();
      await engine.serveOne(name, backend);
      const { client, upstream } = await forwarded(engine, backend);
      const up = randomBytes(64 * MIB);
      const down = randomBytes(64 * MIB);
      const hello = helloFor(name);
      const [atBackend, atClient] = await Promise.all([
        upstream.bytes(hello.length + up.length),
        client.bytes(down.length),
        sendInPieces(client, up),
        sendInPieces(upstream, down),
      ]);
      expect(sha256(atBackend.subarray(hello.length))).toBe(sha256(up));
      expect(sha256(atClient)).toBe(sha256(down));
      client.end();
      expect(await upstream.over()).toBe("fin");
      upstream.end();
      await engine.closes(name, { client_closed: 1 });
      expect(await engine.route(name)).toMatchObject({ rxBytes: hello.length + up.length, txBytes: down.length });
    });
  });
}

/** Writes everything in pieces from one byte to 200,000, waiting whenever the socket asks for it; then nothing more. */
async function sendInPieces(peer: Peer, bytes: Buffer): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const size = Math.random() < 0.2 ? 1 + Math.floor(Math.random() * 16) : 1 + Math.floor(Math.random() * 200_000);
    if (!peer.socket.write(bytes.subarray(at, at + size)))
      await new Promise<void>((resolve) => {
        peer.socket.once("drain", () => resolve());
      });
    at += size;
  }
}

/** The value once several looks in a row, each after a turn of the event loop and some, found it unchanged. */
async function steady(read: () => number | Promise<number>): Promise<number> {
  let last = -1;
  let same = 0;
  await expect
    .poll(
      async () => {
        const value = await read();
        same = value === last ? same + 1 : 0;
        last = value;
        return same;
      },
      { interval: 20 },
    )
    .toBeGreaterThan(10);
  return last;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
