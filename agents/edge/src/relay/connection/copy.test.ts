import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { Copy } from "./copy.ts";
import { SocketBytes } from "./socket-bytes.ts";

const KIB = 1024;
const timeouts = { connectMs: 1, idleMs: 60_000, halfClosedMs: 60_000, writeStallMs: 60_000, maxDurationMs: null };

async function pair(): Promise<{ near: Socket; far: Socket; close(): void }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [near] = (await once(server, "connection")) as [Socket];
  far.on("error", () => undefined);
  return { near, far, close: () => server.close() };
}

test("holds at most 256 KiB a direction, whoever stops reading", { timeout: 30_000 }, async () => {
  const client = await pair();
  const upstream = await pair();
  let reason: string | null = null;
  const near = { socket: client.near, bytes: new SocketBytes(client.near) };
  const far = { socket: upstream.near, bytes: new SocketBytes(upstream.near) };
  const ended = (each: string): void => {
    reason = each;
  };
  const bug = (error: unknown): never => {
    throw error;
  };
  const copy = new Copy(near, far, timeouts, performance.now(), ended, bug);
  client.near
    .on("data", (chunk: Buffer) => copy.clientData(chunk))
    .on("end", () => copy.clientEnded())
    .on("error", (error: Error) => copy.clientFailed(error));
  copy.start(Buffer.from("hello"), false);

  let most = 0;
  let watching = true;
  const look = (): void => {
    const up = client.near.readableLength + upstream.near.writableLength;
    const down = upstream.near.readableLength + client.near.writableLength;
    most = Math.max(most, up, down);
    if (watching) setImmediate(look);
  };
  look();

  const total = 24 * KIB * KIB;
  client.far.pause();
  upstream.far.pause();
  client.far.end(Buffer.alloc(total));
  upstream.far.end(Buffer.alloc(total));
  const blocked = (): number => Math.min(client.near.writableLength, upstream.near.writableLength);
  await expect.poll(blocked, { timeout: 10_000 }).toBeGreaterThan(0);

  const got = { client: 0, upstream: 0 };
  client.far.on("data", (chunk: Buffer) => (got.client += chunk.length));
  upstream.far.on("data", (chunk: Buffer) => (got.upstream += chunk.length));
  client.far.resume();
  upstream.far.resume();
  await expect.poll(() => reason, { timeout: 20_000 }).not.toBe(null);
  watching = false;
  expect(got).toEqual({ client: total, upstream: total + 5 });
  expect(most).toBeLessThanOrEqual(256 * KIB);
  expect(near.bytes.accepted).toBe(total);
  expect(near.bytes.read).toBe(total);
  client.close();
  upstream.close();
});
