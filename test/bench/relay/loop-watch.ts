// Loaded into every thread of a process with --import: watches how long each worker thread's event loop is busy at a stretch, which
// nobody outside can see. Over a BroadcastChannel: "begin" starts afresh, "tell" is answered with a LoopBusy by every worker.
import { BroadcastChannel, isMainThread } from "node:worker_threads";

/** What came between two turns of a loop that should be TURN_MS apart. */
export interface LoopBusy {
  /** In milliseconds. */
  longestMs: number;
  /** How many were longer than a slice of work may be. */
  overSlice: number;
}

export const LOOP_CHANNEL = "loop-watch";
const TURN_MS = 1;
const SLICE_BAR_MS = 10;

if (!isMainThread) watch();

function watch(): void {
  const channel = new BroadcastChannel(LOOP_CHANNEL);
  let busy: LoopBusy = { longestMs: 0, overSlice: 0 };
  let timer: NodeJS.Timeout | undefined;
  let turnedAt = 0;
  const turned = (): void => {
    const now = performance.now();
    const took = now - turnedAt;
    turnedAt = now;
    busy.longestMs = Math.max(busy.longestMs, took);
    if (took >= SLICE_BAR_MS) busy.overSlice += 1;
  };
  const begin = (): void => {
    busy = { longestMs: 0, overSlice: 0 };
    turnedAt = performance.now();
    clearInterval(timer);
    timer = setInterval(turned, TURN_MS);
  };
  const tell = (): void => {
    turned();
    clearInterval(timer);
    channel.postMessage(busy);
  };
  channel.addEventListener("message", (event) => {
    const { data } = event as MessageEvent;
    if (data === "begin") begin();
    else if (data === "tell") tell();
  });
}
