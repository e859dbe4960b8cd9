// Loaded into every thread of a process with --import: watches how long each worker thread's event loop is busy at a stretch, which
// nobody outside can see. Over a BroadcastChannel: "begin" starts afresh and "tell" ends it; every worker answers either with a LoopBusy.
import { BroadcastChannel, isMainThread } from "node:worker_threads";

/** What came between two turns of a loop that should be TURN_MS apart. */
export interface LoopBusy {
  /** In milliseconds. */
  longestMs: number;
  /** Of the time on a processor alone, which a machine that has other work does not lengthen. */
  longestCpuMs: number;
  /** How many took more time on a processor than a slice of work may. */
  overSlice: number;
}

export const LOOP_CHANNEL = "loop-watch";
const TURN_MS = 1;
const SLICE_BAR_MS = 10;

if (!isMainThread) watch();

function watch(): void {
  const channel = new BroadcastChannel(LOOP_CHANNEL);
  let busy: LoopBusy = { longestMs: 0, longestCpuMs: 0, overSlice: 0 };
  let timer: NodeJS.Timeout | undefined;
  let turnedAt = 0;
  let turnedCpu = 0;
  const turned = (): void => {
    const now = performance.now();
    const cpu = cpuMs();
    busy.longestMs = Math.max(busy.longestMs, now - turnedAt);
    busy.longestCpuMs = Math.max(busy.longestCpuMs, cpu - turnedCpu);
    if (cpu - turnedCpu >= SLICE_BAR_MS) busy.overSlice += 1;
    turnedAt = now;
    turnedCpu = cpu;
  };
  const begin = (): void => {
    busy = { longestMs: 0, longestCpuMs: 0, overSlice: 0 };
    turnedAt = performance.now();
    turnedCpu = cpuMs();
    clearInterval(timer);
    timer = setInterval(turned, TURN_MS);
  };
  const end = (): void => {
    turned();
    clearInterval(timer);
  };
  channel.addEventListener("message", (event) => {
    const { data } = event as MessageEvent;
    if (data === "begin") begin();
    else if (data === "tell") end();
    else return;
    channel.postMessage(busy);
  });
}

/** Of this thread. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
