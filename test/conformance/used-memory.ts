// What the threads of a process use after a garbage collection. To be loaded into every thread (--import, which threads inherit),
// in a process with --expose-gc: nobody else reaches the heap of a thread that he has not written.
import { BroadcastChannel, isMainThread } from "node:worker_threads";

const CHANNEL = "used memory";

export interface UsedMemory {
  /** Heaps of all threads, and what their objects hold outside of them, after a collection. Bytes. */
  live: number;
  /** Resident, of the process. Bytes. */
  resident: number;
}

if (!isMainThread) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.addEventListener("message", (event) => {
    if (said(event) === "measure") channel.postMessage(collected());
  });
}

/** Asked by the main thread. @param threads how many there are beside it. */
export async function usedMemory(threads: number): Promise<UsedMemory> {
  const channel = new BroadcastChannel(CHANNEL);
  const { promise, resolve } = Promise.withResolvers<void>();
  let live = 0;
  let left = threads;
  channel.addEventListener("message", (event) => {
    live += said(event) as number;
    if (--left === 0) resolve();
  });
  channel.postMessage("measure");
  await promise;
  channel.close();
  live += collected();
  return { live, resident: process.memoryUsage.rss() };
}

function collected(): number {
  // What a first collection lets go of may hold memory outside of the heap that only a second one gives back.
  for (let i = 0; i < 2; i++) globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  // Shared memory is in arrayBuffers alone, of the thread that made it; other buffers count twice, which makes nothing smaller.
  return heapUsed + external + arrayBuffers;
}

function said(event: Event): unknown {
  return (event as MessageEvent).data as unknown;
}
