import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { SocketBytes } from "./socket-bytes.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Both ends of one TCP connection; nothing is read from either yet. */
async function pair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [near] = (await once(server, "connection")) as [Socket];
  for (const socket of [near, far]) socket.on("error", () => undefined);
  return { near, far };
}

/** Unlike once(), whatever error came first. */
async function closed(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
}

const MIB = 1024 * 1024;

/** Writes more than the kernel takes and waits until it takes no more. */
async function blocked(bytes: SocketBytes): Promise<number> {
  bytes.write(Buffer.alloc(16 * MIB));
  let last = -1;
  await vi.waitFor(
    () => {
      const before = last;
      last = bytes.accepted;
      expect(last).toBe(before);
    },
    { interval: 50, timeout: 5_000 },
  );
  expect(last).toBeGreaterThan(0);
  expect(last).toBeLessThan(16 * MIB);
  return last;
}

test("tells of a half-taken write exactly what the other side will get", async () => {
  const { near, far } = await pair();
  const bytes = new SocketBytes(near);
  bytes.write(Buffer.alloc(1000));
  const accepted = await blocked(bytes);
  bytes.sample();
  // Closing drops what the kernel did not take and still delivers what it did.
  near.destroy();
  let got = 0;
  far.on("data", (chunk: Buffer) => (got += chunk.length));
  await once(far, "end");
  expect(got).toBe(accepted);
  expect(bytes.accepted).toBe(accepted);
  far.destroy();
});

test("keeps the exact count when the other side resets in the middle of a write", async () => {
  const { near, far } = await pair();
  const bytes = new SocketBytes(near);
  near.on("error", (error: Error) => bytes.fail(error));
  near.resume();
  const accepted = await blocked(bytes);
  far.resetAndDestroy();
  await closed(near);
  expect(bytes.accepted).toBe(accepted);
});

test("counts everything once an orderly end has flushed it", async () => {
  const { near, far } = await pair();
  const bytes = new SocketBytes(near);
  near.resume();
  bytes.write(Buffer.alloc(4 * MIB));
  bytes.end(Buffer.alloc(7));
  far.resume();
  far.end("thanks");
  await Promise.all([once(near, "close"), once(far, "close")]);
  expect(bytes.accepted).toBe(4 * MIB + 7);
  expect(bytes.read).toBe(6);
});

test("does not count what is written to a socket whose peer is gone", async () => {
  const { near, far } = await pair();
  const bytes = new SocketBytes(near);
  near.on("error", (error: Error) => bytes.fail(error));
  bytes.write(Buffer.alloc(100));
  far.resetAndDestroy();
  await once(far, "close");
  // Not being read, the socket learns of the reset by writing.
  bytes.write(Buffer.alloc(50));
  await closed(near);
  expect(bytes.accepted).toBe(100);
});
