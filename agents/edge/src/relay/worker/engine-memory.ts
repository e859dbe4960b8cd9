// The memory that the workers of an engine have in common, and how a dead worker's part of it is given back.
import { readFileSync } from "node:fs";
import { createUpstreams, forgetUpstreams } from "../backend/upstream-sockets.ts";
import { type BudgetLimits, defaultBudgetLimits } from "../shared/budget-limits.ts";
import { forgetEntries } from "../shared/forget-entries.ts";
import { forgetUndecided } from "../shared/forget-undecided.ts";
import { createHashKey } from "../shared/keyed-hash.ts";
import { createSharedEntries } from "../shared/shared-entries.ts";
import { createOpenSockets, forgetOpenSockets } from "../shared/open-sockets.ts";
import { createUndecidedBudget } from "../shared/undecided-budget.ts";
import type { EngineMemory } from "./messages.ts";

/** What the process itself needs: files, the control plane's streams, and each worker's loop. */
const DESCRIPTORS_OF_PROCESS = 32;
const DESCRIPTORS_OF_WORKER = 8;
const UNDECIDED_MIN = 16;
/** Of all descriptors, for clients that had to go and are still told why; each worker has from 2 to 256 of them. */
const EVICTED_SHARE = 1 / 32;
/** Of an edge, shared out to its workers. Clients of real backends stay far below: 4,000 dials at once with 16 KiB of early data each. */
const DIALLING_BYTES_MAX = 64 * 1024 * 1024;

/** @param listening how many listening sockets the workers have, all together. */
export function createEngineMemory(workers: number, listening: number): EngineMemory {
  const descriptors = descriptorLimit();
  const evictedMax = Math.max(2, Math.min(256, Math.floor((descriptors * EVICTED_SHARE) / workers)));
  const sockets = socketsMax(descriptors - workers * evictedMax, workers, listening);
  return {
    evictedMax,
    diallingBytesMax: Math.floor(DIALLING_BYTES_MAX / workers),
    hashKey: createHashKey(),
    sockets: createOpenSockets(workers, sockets),
    budget: createUndecidedBudget(workers, budgetLimits(sockets)),
    routes: createSharedEntries({ workers }),
    sources: createSharedEntries({ workers }),
    upstreams: createUpstreams(),
  };
}

/** Nothing that a dead worker had counted, held or locked is left. */
export async function forgetWorker(memory: EngineMemory, worker: number): Promise<void> {
  // Who waits for a lock of the sources holds one of the routes.
  for (const entries of [memory.sources, memory.routes]) await forgetEntries(entries, worker);
  forgetUpstreams(memory.upstreams, worker);
  forgetOpenSockets(memory.sockets, worker);
  await forgetUndecided(memory.budget, worker);
}

/** Of connections: a forwarded one has two. */
function socketsMax(descriptors: number, workers: number, listening: number): number {
  const own = DESCRIPTORS_OF_PROCESS + workers * DESCRIPTORS_OF_WORKER + listening;
  return Math.max(2 * UNDECIDED_MIN, descriptors - own);
}

/** Half of the sockets may wait for a decision: without a bound of their own, clients that say nothing would take them all. */
function budgetLimits(sockets: number): BudgetLimits {
  const connectionsMax = Math.min(defaultBudgetLimits.connectionsMax, Math.max(UNDECIDED_MIN, Math.floor(sockets / 2)));
  return {
    ...defaultBudgetLimits,
    connectionsMax,
    sourceConnectionsMax: Math.min(defaultBudgetLimits.sourceConnectionsMax, connectionsMax),
  };
}

/** Of this process; Node has raised it to what the system allows. */
function descriptorLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
}
