import type { Lab, Place } from "./lab.ts";

/** A proxy under test, or, as "direct", the way past all of them. */
export interface Proxy {
  readonly name: string;
  /** Where it accepts for a name, on 127.0.0.1. Proxies have one port for all; the direct way is the backend's own. */
  port(name: string): number;
  /** The root of its process tree; null for the direct way. */
  readonly pid: number | null;
}

/** What a proxy is to do. */
export interface ProxyJob {
  /** By server name, the port of its backend on 127.0.0.1. */
  readonly backends: ReadonlyMap<string, number>;
  readonly place: Place;
  /** How long an unfinished hello may take, in seconds. */
  readonly helloSeconds: number;
  /** Whether a proxy that has limits is to count them; they admit everything. */
  readonly limits: boolean;
  /** Whether each connection is to be logged, by those that log to a file. Absent: by none. */
  readonly accessLog?: boolean;
}

/** How a kind of proxy is started. */
export interface ProxyKind {
  readonly name: string;
  /** The version installed; null: it is not. */
  version(): string | null;
  start(lab: Lab, job: ProxyJob): Promise<Proxy>;
}

/** Connections that every proxy is configured for: HAProxy wants 2.5 descriptors for each, and 20,000 are a usual limit. */
export const CONNECTIONS_MAX = 7_000;
export const BACKLOG = 4_096;
