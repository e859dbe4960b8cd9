// Much data over a socket without keeping it: what one end sent and what the other received are the same when the hashes are.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";

/** Slices of it are the data: random enough, and cheap. */
const pool = randomBytes(4 * 1024 * 1024);
const SEGMENT_BYTES_MAX = 400_000;
/** Every now and then a segment of a few bytes. */
const TINY_SHARE = 0.05;
const TINY_BYTES_MAX = 20;
/** Between two reads of a slow reader. */
const SLOW_MS = 10;

/** Sends this many bytes in segments of random sizes, as fast as the socket takes them. Their SHA-256. */
export async function sendHashed(socket: Socket, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  for (let left = bytes; left > 0;) {
    const sizeMax = Math.random() < TINY_SHARE ? TINY_BYTES_MAX : SEGMENT_BYTES_MAX;
    const size = Math.min(left, 1 + Math.floor(Math.random() * sizeMax));
    const at = Math.floor(Math.random() * (pool.length - size));
    const segment = pool.subarray(at, at + size);
    hash.update(segment);
    left -= size;
    if (!socket.write(segment)) await once(socket, "drain");
  }
  return hash.digest("hex");
}

/**
 * Reads this many bytes and no more. Their SHA-256. Rejects when the stream ends before.
 * @param slowBytes the first of them are read slowly.
 */
export async function receiveHashed(socket: Socket, bytes: number, { slowBytes = 0 } = {}): Promise<string> {
  const hash = createHash("sha256");
  let left = bytes;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const ended = (): void => reject(new Error(`the stream ended ${left} bytes early`));
  socket.once("end", ended);
  socket.once("close", ended);
  socket.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    left -= chunk.length;
    if (bytes - left < slowBytes) {
      socket.pause();
      setTimeout(() => socket.resume(), SLOW_MS);
    }
    if (left < 0) reject(new Error(`${-left} bytes too many`));
    else if (left === 0) resolve(hash.digest("hex"));
  });
  // Whoever was paused would not read for a listener's sake.
  socket.resume();
  return await promise;
}
