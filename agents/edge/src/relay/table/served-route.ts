import type { Address } from "@helloway/routing/address";
import type { RouteNames } from "@helloway/routing/name-table";

/** A route as the engine serves it: checked, and everything a connection needs computed once. */
export interface ServedRoute extends RouteNames {
  readonly team: string;
  /** "team/name", or the uid of a default. */
  readonly label: string;
  /** By priority, most preferred first; never empty, and no tier is. */
  readonly tiers: readonly Tier[];
  readonly timeouts: RouteTimeouts;
}

export interface Tier {
  readonly backends: readonly ServedBackend[];
}

export interface ServedBackend {
  /** "host:port" as in the route; accounting keys on it. */
  readonly key: string;
  readonly host: string;
  readonly port: number;
  /** null: the host is a DNS name. */
  readonly address: Address | null;
  readonly weight: number;
  /** Of the smooth weighted round robin (choose-backends.ts), which alone changes it. */
  credit: number;
}

/** Milliseconds. */
export interface RouteTimeouts {
  readonly connectMs: number;
  readonly idleMs: number;
  readonly halfClosedMs: number;
  readonly writeStallMs: number;
  readonly maxDurationMs: number | null;
}
