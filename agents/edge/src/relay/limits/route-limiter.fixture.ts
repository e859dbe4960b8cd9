// A worker whose connections are let in and end as fast as it can, until it is told to rest. It keeps a count of its own of what is
// open, a row of it for each worker: raised after a connection was let in and lowered before it is given back, so that it never
// exceeds what the limiter counted.
import { parentPort, workerData } from "node:worker_threads";
import { createEdgeClock } from "../shared/edge-clock.ts";
import { SharedEntries, type SharedEntriesMemory } from "../shared/shared-entries.ts";
import { type ConnectionLimits, type HeldLimits, RouteLimiter } from "./route-limiter.ts";

export interface Hammer {
  readonly worker: number;
  readonly workers: number;
  readonly routes: SharedEntriesMemory;
  readonly sources: SharedEntriesMemory;
  readonly limits: ConnectionLimits & { readonly enforce: boolean };
  readonly sourcesUsed: number;
  /** Rows of sourcesUsed words, one for each worker. */
  readonly open: SharedArrayBuffer;
  /** Connections let in, refused, and times that more were open than the limits say. */
  readonly tally: SharedArrayBuffer;
}

export const LET_IN = 0;
export const REFUSED = 1;
export const ABOVE = 2;

interface Held extends HeldLimits {
  readonly source: number;
}

const STEPS_A_TURN = 2_000;

if (parentPort !== null) hammer(parentPort, workerData as Hammer);

function hammer(port: NonNullable<typeof parentPort>, start: Hammer): void {
  const { worker, workers, limits, sourcesUsed } = start;
  const open = new Int32Array(start.open);
  const tally = new Int32Array(start.tally);
  const limiter = new RouteLimiter(
    new SharedEntries(start.routes, worker),
    new SharedEntries(start.sources, worker),
    createEdgeClock(),
  );
  const held: Held[] = [];
  let resting = false;

  const sumOf = (source: number): number => {
    let sum = 0;
    for (let row = 0; row < workers; row++) sum += Atomics.load(open, row * sourcesUsed + source);
    return sum;
  };
  const check = (source: number): void => {
    if (sumOf(source) > (limits.connectionsPerSource ?? Infinity)) Atomics.add(tally, ABOVE, 1);
    let all = 0;
    for (let each = 0; each < sourcesUsed; each++) all += sumOf(each);
    if (all > (limits.connections ?? Infinity)) Atomics.add(tally, ABOVE, 1);
  };
  const end = (at: number): void => {
    const [gone] = held.splice(at, 1);
    Atomics.sub(open, worker * sourcesUsed + gone!.source, 1);
    limiter.release(gone!);
  };
  const step = (): void => {
    if (held.length > 0 && Math.random() < 0.4) return end(Math.floor(Math.random() * held.length));
    const begun: Held = { source: Math.floor(Math.random() * sourcesUsed), routeEntry: -1, sourceEntry: -1 };
    const over = limiter.admit(begun, "route", limits, `192.0.2.${begun.source}`);
    Atomics.add(tally, over === null ? LET_IN : REFUSED, 1);
    if (over !== null) return;
    Atomics.add(open, worker * sourcesUsed + begun.source, 1);
    held.push(begun);
    check(begun.source);
  };
  const turn = (): void => {
    if (resting) return;
    for (let each = 0; each < STEPS_A_TURN; each++) step();
    setImmediate(turn);
  };

  port.on("message", (command: "rest" | "leave") => {
    resting = true;
    if (command === "leave") while (held.length > 0) end(0);
    port.postMessage(held.length);
  });
  turn();
}
