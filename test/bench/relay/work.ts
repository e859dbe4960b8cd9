// What the load and the backends agree on.

/** What a bulk backend sends on every connection. */
export const BULK_BYTES = 128 * 1024 * 1024;
/** What a pong backend answers every message with. */
export const PONG_BYTES = 64;

/** Ports of 127.0.0.1, by kind of backend. */
export interface BackendPorts {
  bulk: number;
  pong: number;
}

/** What the load generator can be asked for, each over connections to a port of 127.0.0.1 with a hello for a name. */
export type Work =
  /** Reads everything that bulk backends send. */
  | { do: "download"; port: number; name: string; connections: number }
  /** Times `samples` answers one after the other: of new connections from connect() on, or of one that stays. */
  | { do: "latency"; port: number; name: string; samples: number; connection: "new" | "kept" }
  /** Asks and asks over one connection that stays, and over new ones, until "longest". */
  | { do: "probe"; port: number; name: string }
  | { do: "longest" }
  /** Sends `samples` times an impossible length, and times how long after its last byte the answer is there. */
  | { do: "refusals"; port: number; samples: number }
  /** Opens connections, from as many sources, that stay until "release". */
  | { do: "hold"; port: number; name: string; connections: number; sources: number; hello: "whole" | "half" }
  | { do: "release" };

export interface Downloaded {
  seconds: number;
  bytes: number;
}

/** Microseconds. */
export interface Latency {
  p50: number;
  p99: number;
}

/** How long the slowest answer took while it was asked for, in milliseconds. */
export interface Longest {
  kept: number;
  new: number;
}

/** In milliseconds, each. */
export interface Refusals {
  took: number[];
}

export interface Held {
  connections: number;
  /** Those of them that have ended since. */
  lost: number;
}
