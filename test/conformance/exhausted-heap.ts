// Lets a thread of a process run out of heap as any thread does, by what it keeps. To be loaded into every thread (--import, which
// threads inherit): nobody else reaches the heap of a thread that he has not written.
import { BroadcastChannel, isMainThread, threadId } from "node:worker_threads";

const CHANNEL = "exhausted heap";

if (!isMainThread) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.addEventListener("message", (event) => {
    if ((event as MessageEvent).data === threadId) exhaust();
  });
}

/** For the main thread. */
export function exhaustHeap(thread: number): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(thread);
  channel.close();
}

function exhaust(): void {
  for (const kept: number[][] = []; ;) kept.push(Array.from({ length: 1_024 }, (_, i) => i / 3));
}
