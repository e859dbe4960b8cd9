import { expect, test } from "vitest";
import { ignored, socketPair } from "../socket/socket-pair.fixture.ts";
import { openThreadSplice } from "../socket/splice.ts";
import { Copy } from "./copy.ts";

const KIB = 1024;
const timeouts = { connectMs: 1, idleMs: 60_000, halfClosedMs: 60_000, writeStallMs: 60_000, maxDurationMs: null };

test("holds at most 256 KiB of a direction, whoever stops reading", { timeout: 30_000 }, async () => {
  await openThreadSplice((error) => {
    throw error;
  });
  const client = await socketPair();
  const upstream = await socketPair();
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
