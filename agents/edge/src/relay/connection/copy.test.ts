import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { listenTcp, type TcpListener } from "../socket/listen-tcp.ts";
import type { TcpHandle } from "../socket/tcp-binding.ts";
import { TcpSocket, type SocketOwner } from "../socket/tcp-socket.ts";
import { Copy } from "./copy.ts";

const KIB = 1024;
const timeouts = { connectMs: 1, idleMs: 60_000, halfClosedMs: 60_000, writeStallMs: 60_000, maxDurationMs: null };
const ignored = (): void => undefined;
const nobody: SocketOwner = {
  read: ignored,
  ended: ignored,
  failed: ignored,
  drained: ignored,
  finished: ignored,
  bug: ignored,
};

async function pair(): Promise<{ near: TcpSocket; far: Socket; listener: TcpListener }> {
  const { promise, resolve } = Promise.withResolvers<TcpHandle>();
  const target = { address: "127.0.0.1", port: 0, shared: false };
  const listener = listenTcp(target, { onConnection: resolve, onFailure: ignored });
  const far = connect({ host: "127.0.0.1", port: listener.address.port, allowHalfOpen: true });
  far.on("error", ignored);
  await once(far, "connect");
  return { near: new TcpSocket(await promise, nobody), far, listener };
}

test("holds at most what one read brings of a direction, whoever stops reading", { timeout: 30_000 }, async () => {
  const client = await pair();
  const upstream = await pair();
  let reason: string | null = null;
  const terms = { timeouts, bytesPerSecond: null, enforce: true };
  const copy = new Copy(client.near, upstream.near, terms, performance.now(), {
    copyEnded: (each) => (reason = each),
    answered: ignored,
    overBandwidth: ignored,
    bug: (error) => {
      throw error;
    },
  });
  copy.start(null, Buffer.from("hello"), false);
  let most = 0;
  let watching = true;
  // What was read from one side and is not taken by the other is held here.
  const look = (): void => {
    const up = client.near.bytesRead + 5 - upstream.near.bytesTaken;
    const down = upstream.near.bytesRead - client.near.bytesTaken;
    most = Math.max(most, up, down);
    if (watching) setImmediate(look);
  };
  look();

  const total = 24 * KIB * KIB;
  client.far.pause();
  upstream.far.pause();
  client.far.end(Buffer.alloc(total));
  upstream.far.end(Buffer.alloc(total));
  await expect.poll(() => client.near.pending && upstream.near.pending).toBe(true);

  const got = { client: 0, upstream: 0 };
  client.far.on("data", (chunk: Buffer) => (got.client += chunk.length));
  upstream.far.on("data", (chunk: Buffer) => (got.upstream += chunk.length));
  client.far.resume();
  upstream.far.resume();
  await expect.poll(() => reason).not.toBe(null);
  watching = false;
  await expect.poll(() => got).toEqual({ client: total, upstream: total + 5 });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(256 * KIB);
  expect(client.near.bytesTaken).toBe(total);
  expect(client.near.bytesRead).toBe(total);
  await client.listener.close();
  await upstream.listener.close();
});
