// Resets of a side that the engine does not read at that moment: nothing that comes in can tell of them. None of these connections would
// end otherwise before the test has given up.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { LimitMode } from "@helloway/proto/table";
import type { Peer } from "../../harness/peer.ts";
import { startSilentListener } from "../../harness/silent-listener.ts";
import { startTcpBackend, type TcpBackend } from "../../harness/tcp-backend.ts";
import { type Engine, helloFor, type MakeRelay, routeTo, useOneEngine } from "./fixture.ts";

const name = "app.example.test";
const KIB = 1024;
/** Above what is read of a client while its backend is dialled. */
const MUCH = randomBytes(300 * KIB);
/** An engine reads up to here before it stops. */
const DIALLING_BYTES_MAX = 64 * KIB;
const dialled = { connectMs: 10_000 };
const forwarding = { idleMs: 600_000, halfClosedMs: 600_000, writeStallMs: 600_000 };

async function forwarded(engine: Engine, backend: TcpBackend): Promise<{ client: Peer; upstream: Peer }> {
  const client = await engine.hello(name);
  const upstream = await backend.next();
  await upstream.bytes(helloFor(name).length);
  return { client, upstream };
}

/** What the writer says is not taken by the reader, and everything between is full. */
async function fill(writer: Peer, reader: Peer): Promise<void> {
  reader.socket.pause();
  writer.send(randomBytes(32 * KIB * KIB));
  let before = -1;
  const isStuck = (): boolean => {
    const left = writer.socket.writableLength;
    const isSame = left === before;
    before = left;
    return isSame;
  };
  await expect.poll(isStuck, { interval: 300 }).toBe(true);
  expect(before).toBeGreaterThan(0);
}

/** Reading on, if it waited. */
async function expectReset(peer: Peer): Promise<void> {
  peer.socket.resume();
  await peer.closedByReset();
}

export function defineUnreadResets(makeRelay: MakeRelay): void {
  describe("a reset that nothing read can tell of", () => {
    const start = useOneEngine(makeRelay);

    test("ends a dial for a client that has sent much already", async () => {
      await using silent = await startSilentListener();
      const engine = await start();
      await engine.serve(routeTo(name, silent, { timeouts: dialled }));
      const clients = await Promise.all(Array.from({ length: 10 }, () => engine.hello(name)));
      for (const client of clients) client.send(MUCH);
      const read = async () => (await engine.route(name))?.rxBytes;
      await expect.poll(read).toBeGreaterThanOrEqual(clients.length * DIALLING_BYTES_MAX);
      for (const client of clients) client.reset();
      await engine.closes(name, { client_gone: clients.length });
    });

    test("ends a dial for a client that has said its FIN", async () => {
      await using silent = await startSilentListener();
      const engine = await start();
      await engine.serve(routeTo(name, silent, { timeouts: dialled }));
      const client = await engine.connect();
      client.end(helloFor(name));
      await expect.poll(async () => (await engine.route(name))?.opened).toBe(1);
      client.reset();
      await engine.closes(name, { client_gone: 1 });
    });

    test.each(["client", "upstream"] as const)(
      "is passed on from the %s while the other side does not take what it said",
      async (side) => {
        await using backend = await startTcpBackend();
        const engine = await start();
        await engine.serveOne(name, backend, { timeouts: forwarding });
        const pair = await forwarded(engine, backend);
        const [gone, slow] = side === "client" ? [pair.client, pair.upstream] : [pair.upstream, pair.client];
        await fill(gone, slow);
        gone.reset();
        await engine.closes(name, { [side === "client" ? "client_reset" : "backend_reset"]: 1 });
        await expectReset(slow);
      },
    );

    test.each(["client", "upstream"] as const)(
      "is passed on from the %s while its bandwidth is used up",
      async (side) => {
        await using backend = await startTcpBackend();
        const engine = await start();
        // What is written will be ahead of its time by a minute.
        const limits = { bytesPerSecond: 1_000n, mode: LimitMode.ENFORCE };
        await engine.serveOne(name, backend, { timeouts: forwarding, limits });
        const pair = await forwarded(engine, backend);
        const [gone, other] = side === "client" ? [pair.client, pair.upstream] : [pair.upstream, pair.client];
        const before = other.receivedBytes;
        gone.send(MUCH);
        await other.bytes(before + 128 * KIB + 1);
        gone.reset();
        await engine.closes(name, { [side === "client" ? "client_reset" : "backend_reset"]: 1 });
        await expectReset(other);
      },
    );
  });
}
