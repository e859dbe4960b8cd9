import type { Address } from "@helloway/routing/address";
import type { DecidableRoute } from "@helloway/routing/decide";
import type { LazyForwarding } from "./lazy-forwarding.ts";

/** A route as the engine serves it: checked, and all that decides about a connection computed once. */
export interface ServedRoute extends DecidableRoute {
  readonly team: string;
  /** Of the criteria; "" for none. Routes of one hostname differ in it. */
  readonly criteriaKey: string;
  /** null: none. */
  readonly limits: RouteLimits | null;
  /** Whether its balance looks at how many connections each backend has. */
  readonly countsLoads: boolean;
  readonly forwarding: LazyForwarding;
}

/** What is done with a route's connections. */
export interface RouteForwarding {
  /** Of the route. */
  readonly uid: string;
  /** "team/name", or the uid of a default. */
  readonly label: string;
  readonly balance: "roundRobin" | "leastConnections" | "random" | "sourceHash";
  readonly proxyProtocol: "none" | "v1" | "v2";
  /** Empty but with v2; each once. */
  readonly proxyTlvs: readonly ("authority" | "alpn" | "uniqueId" | "edge")[];
  /** By priority, most preferred first; never empty, and no tier is. */
  readonly tiers: readonly Tier[];
  readonly timeouts: RouteTimeouts;
}

export interface Tier {
  /** Its place among the route's tiers, from 0. */
  readonly index: number;
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
}

/** Milliseconds. */
export interface RouteTimeouts {
  readonly connectMs: number;
  readonly idleMs: number;
  readonly halfClosedMs: number;
  readonly writeStallMs: number;
  readonly maxDurationMs: number | null;
}

/** Per edge; null: no limit. */
export interface RouteLimits {
  readonly connections: number | null;
  readonly connectionsPerSource: number | null;
  readonly newPerSecond: number | null;
  readonly newPerSecondPerSource: number | null;
  /** Of each connection, each way. */
  readonly bytesPerSecond: number | null;
  /** False: what is over a limit is only counted. */
  readonly enforce: boolean;
}
