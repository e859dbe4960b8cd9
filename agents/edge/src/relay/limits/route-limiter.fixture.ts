// A worker whose connections are let in and end as fast as it can, until it is told to rest. What is open is counted a second time, in
// single words for all workers, raised after a connection was let in and lowered before it is given back: that never exceeds what the
// limiter counted. A row for each worker, raised first and lowered last, tells what to take back of one that died.
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
  /** Rows of a word for each source: one for each worker, then one for all, and a word for all sources. */
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

  const ofAll = workers * sourcesUsed;
  const raise = (at: number, max: number | null): void => {
    const before = Atomics.add(open, at, 1);
    if (max !== null && before >= max) Atomics.add(tally, ABOVE, 1);
  };
  const end = (at: number): void => {
    const [gone] = held.splice(at, 1);
    Atomics.sub(open, ofAll + sourcesUsed, 1);
    Atomics.sub(open, ofAll + gone!.source, 1);
    Atomics.sub(open, worker * sourcesUsed + gone!.source, 1);
    limiter.release(gone!);
  };
  const step = (): void => {
    if (held.length > 0 && Math.random() < 0.4) return end(Math.floor(Math.random() * held.length));
    const begun: Held = { source: Math.floor(Math.random() * sourcesUsed), routeEntry: -1, sourceEntry: -1 };
    const over = limiter.admit(begun, "route", limits, `192.0.2.${begun.source}`);
    Atomics.add(tally, over === null ? LET_IN : REFUSED, 1);
    if (over !== null) return;
    raise(worker * sourcesUsed + begun.source, null);
    raise(ofAll + begun.source, limits.connectionsPerSource);
    raise(ofAll + sourcesUsed, limits.connections);
    held.push(begun);
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
