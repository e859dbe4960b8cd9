// What the coordinator and its workers say to each other. Calls have a number and are answered by it, in any order; everything
// else is told once. Nothing here is said per byte, and per connection only what the access log wants, many at a time.
import type { HashKey } from "../shared/keyed-hash.ts";
import type { BudgetMemory } from "../shared/budget-sources.ts";
import type { OpenSocketsMemory } from "../shared/open-sockets.ts";
import type { SharedEntriesMemory } from "../shared/shared-entries.ts";
import type { LeftSlots, TrafficAnnouncement } from "../shared/traffic.ts";
import type { UpstreamsMemory } from "../backend/upstream-sockets.ts";
import type { ListenerAddress, ObjectRef } from "../relay.ts";
import type { EncodedObjects } from "./encoded-objects.ts";
import type { PackedRefused } from "./packed-refused.ts";

/** What all workers of an engine share. */
export interface EngineMemory {
  readonly hashKey: HashKey;
  readonly sockets: OpenSocketsMemory;
  readonly budget: BudgetMemory;
  /** Of each worker: clients that had to go and are still told why, and bytes of those whose backend is being dialled. */
  readonly evictedMax: number;
  readonly diallingBytesMax: number;
  /** Of routes: limits, turns and loads of backends. */
  readonly routes: SharedEntriesMemory;
  /** Of routes' sources: limits. */
  readonly sources: SharedEntriesMemory;
  readonly upstreams: UpstreamsMemory;
}

/** How a worker begins. */
export interface WorkerStart {
  /** 0 to workers - 1; a replacement has its predecessor's. */
  readonly worker: number;
  readonly idPrefix: string;
  readonly edgeName: string;
  readonly memory: EngineMemory;
  readonly dnsServers: readonly string[] | null;
  readonly proxyTrusted: readonly string[];
  /** Bytes of the country database, in shared memory; null: none. */
  readonly countries: Uint8Array | null;
  readonly wantsRecords: boolean;
  readonly wantsDebug: boolean;
  readonly ownSockets: readonly ListenerAddress[];
}

export interface ListenCall {
  /** Addresses are as bound by the coordinator's probe: the port is never 0. */
  readonly targets: readonly ((ListenerAddress | { descriptor: number }) & { proxy: boolean })[];
  /** Descriptors are closed, and nothing is accepted there. */
  readonly leavesPassed: boolean;
}

export interface ApplyCall {
  readonly snapshot: boolean;
  readonly objects: EncodedObjects;
  readonly removals: readonly ObjectRef[];
  readonly kept: EncodedObjects;
  /** The answer tells what is refused: one worker's is enough, all come to the same. */
  readonly tellRefused: boolean;
}

export interface Applied {
  /** Whether there is a table. */
  readonly serving: boolean;
  /** null: it was not to tell. */
  readonly refused: PackedRefused | null;
}

/** Calls by name: what is asked, and what is answered. */
export interface WorkerCalls {
  listen: { ask: ListenCall; answer: ListenerAddress[] };
  setOwnSockets: { ask: readonly ListenerAddress[]; answer: null };
  setEdgeName: { ask: { name: string }; answer: null };
  apply: { ask: ApplyCall; answer: Applied };
  /**
   * Brings the counters up to now, bytes of open connections included. The answer: slots that the worker has let go of. It may use them
   * for others when they come back as `freed`, once.
   */
  flush: { ask: { freed: readonly number[] }; answer: LeftSlots };
  cut: { ask: { routeUid: string | null }; answer: number };
  drain: { ask: { timeoutMs: number }; answer: null };
  resume: { ask: null; answer: null };
  close: { ask: null; answer: null };
}

export type CallName = keyof WorkerCalls;

export type ToWorker =
  | { kind: "call"; id: number; name: CallName; ask: unknown }
  /** Another worker took a newcomer in: the oldest of this source is to go, if it is still one too many. */
  | { kind: "evict"; source: number }
  /** Another worker has ended, and what it held is forgotten: what it was asked to let go of is asked for anew. */
  | { kind: "relieve" }
  /** It is closed and may end. */
  | { kind: "end" };

export type FromWorker =
  | { kind: "answer"; id: number; answer: unknown }
  | { kind: "failure"; id: number; error: WorkerFailure }
  | { kind: "traffic"; announcement: TrafficAnnouncement }
  /** As RelayOptions.onClosed gets them. */
  | { kind: "records"; lines: string }
  | { kind: "evict"; worker: number; source: number }
  | { kind: "log"; level: "debug" | "info" | "warn" | "error"; fields: object; message: string };

/** An error as far as it can be cloned. */
export interface WorkerFailure {
  message: string;
  stack: string | undefined;
  /** Of system errors. */
  more: { code?: unknown; errno?: unknown; syscall?: unknown; address?: unknown; port?: unknown };
}
