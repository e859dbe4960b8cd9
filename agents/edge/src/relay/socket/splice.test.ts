import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { Worker } from "node:worker_threads";
import { beforeEach, expect, test } from "vitest";
import { type SocketPair, socketPair } from "./socket-pair.fixture.ts";
import { openSplice, openThreadSplice, Splice, threadSplice } from "./splice.ts";

const MIB = 1024 * 1024;

const without: unknown[] = [];

beforeEach(async () => {
  await openThreadSplice((why) => without.push(why));
  expect(without).toEqual([]);
});

/** Two connections, and whatever the far end of the second one gets. */
async function pairs(): Promise<{ one: SocketPair; two: SocketPair; got: () => Buffer; [Symbol.dispose](): void }> {
  const one = await socketPair();
  const two = await socketPair();
  const chunks: Buffer[] = [];
  two.far.on("data", (chunk: Buffer) => chunks.push(chunk));
  return {
    one,
    two,
    got: () => Buffer.concat(chunks),
    [Symbol.dispose]() {
      for (const { near, far, listener } of [one, two]) {
        near.close();
        far.destroy();
        void listener.close();
      }
    },
  };
}

/** Of Node's socket, as the system knows it. */
function descriptorOf(socket: Socket): number {
  return (socket as Socket & { _handle: { fd: number } })._handle.fd;
}

/** Over loopback the other end has the reset when this one is closed. */
async function reset(socket: Socket): Promise<void> {
  socket.resetAndDestroy();
  await once(socket, "close");
}

test("what has come goes to the other socket, whole and counted, and never more of it at once than one move may take", async () => {
  using both = await pairs();
  const { one, two, got } = both;
  const said = randomBytes(12 * MIB);
  one.far.write(said);
  const moves: number[] = [];
  await expect
    .poll(
      () => {
        if (two.near.pending) return -1;
        const before = one.near.bytesRead;
        one.near.moveTo(two.near);
        moves.push(one.near.bytesRead - before);
        return one.near.bytesRead;
      },
      { interval: 1 },
    )
    .toBe(said.length);
  expect(Math.max(...moves)).toBeGreaterThan(65_536);
  expect(Math.max(...moves)).toBeLessThanOrEqual(4 * MIB + 256 * 1024);
  await expect.poll(() => got().length).toBe(said.length);
  expect(got().equals(said)).toBe(true);
  expect([one.near.bytesRead, two.near.bytesTaken]).toEqual([said.length, said.length]);
});

test("what the other does not take is pending there, a pipe full of it at most, and comes before what is moved later", async () => {
  using both = await pairs();
  const { one, two, got } = both;
  const said = randomBytes(24 * MIB);
  two.far.pause();
  one.far.write(said);
  await expect.poll(() => one.near.moveTo(two.near), { interval: 1 }).toBe("blocked");
  expect(two.near.pending).toBe(true);
  expect(one.near.bytesRead - two.near.bytesTaken).toBeLessThanOrEqual(256 * 1024);
  two.far.resume();
  await expect
    .poll(
      () => {
        if (!two.near.pending) one.near.moveTo(two.near);
        return one.near.bytesRead;
      },
      { interval: 1 },
    )
    .toBe(said.length);
  await expect.poll(() => got().length).toBe(said.length);
  expect(got().equals(said)).toBe(true);
});

test("nothing has come, or a FIN has: nothing is moved", async () => {
  using both = await pairs();
  const { one, two } = both;
  expect(one.near.moveTo(two.near)).toBe("all");
  one.far.end();
  await once(one.far, "finish");
  expect(one.near.moveTo(two.near)).toBe("all");
  expect([one.near.bytesRead, two.near.bytesTaken]).toEqual([0, 0]);
});

test("a reset of the one is told as its own, and what it had said before is not taken for it", async () => {
  using both = await pairs();
  const { one, two } = both;
  await reset(one.far);
  expect(one.near.moveTo(two.near)).toBe("failed");
});

test("what was taken for somebody who is gone reaches nobody else", async () => {
  using both = await pairs();
  both.one.far.write(randomBytes(MIB));
  await reset(both.two.far);
  expect(both.one.near.moveTo(both.two.near)).toBe("otherFailed");
  expect(both.one.near.bytesRead).toBeGreaterThan(0);

  using others = await pairs();
  const said = randomBytes(MIB);
  others.one.far.write(said);
  await expect
    .poll(() => {
      if (!others.two.near.pending) others.one.near.moveTo(others.two.near);
      return others.one.near.bytesRead;
    })
    .toBe(said.length);
  await expect.poll(() => others.got().length).toBe(said.length);
  expect(others.got().equals(said)).toBe(true);
});

test("a pipe that was left with something in it is not used again", async () => {
  const { near, far, listener } = await socketPair();
  const fd = descriptorOf(far);
  const splice = await openSplice();
  near.write(randomBytes(1_000));
  await expect.poll(() => splice.take(fd)).toBe(1_000);
  near.write(randomBytes(1_000));
  expect(splice.take(fd)).toBe(0);
  // It was there to be taken.
  expect((await openSplice()).take(fd)).toBe(1_000);
  near.close();
  far.destroy();
  await listener.close();
});

test.each(["EPERM", "ENOSYS", "ENOMEM"] as const)(
  "a call that the system refuses with %s ends no connection",
  async (code) => {
    using both = await pairs();
    const fd = descriptorOf(both.one.far);
    const refused = new Splice(
      () => -1,
      () => constants.errno[code],
      { out: -1, in: -1 },
    );
    expect(refused.take(fd)).toBe(0);
    expect(refused.give(fd)).toBe(0);
    // For want of memory it is tried again; what is not there is not.
    expect(without.splice(0).length).toBe(code === "ENOMEM" ? 0 : 1);
    expect(threadSplice() === null).toBe(code !== "ENOMEM");
    both.one.far.write(randomBytes(1_000));
    expect(both.one.near.moveTo(both.two.near)).toBe("all");
  },
);

test("a thread that ends, by itself or not, leaves no descriptor of its pipe behind", async () => {
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  for (let round = 0; round < 5; round++) {
    const thread = new Worker(new URL("splice-thread.fixture.ts", import.meta.url), { execArgv: [] });
    await once(thread, "message");
    await thread.terminate();
  }
  await expect.poll(descriptors).toBeLessThanOrEqual(before);
});
