// The canonical form of what people write, as stored and as answered. Durations are milliseconds here; the API speaks "5s".

export interface TeamSpec {
  members: { group: string; role: "owner" | "editor" | "reader" }[];
  quotas: { routes: number | null; domains: number | null };
}

export interface BackendSpec {
  /** "host:port", canonical: IPv6 in brackets and compressed, names lower case. */
  address: string;
  weight: number;
  priority: number;
}

export interface TimeoutsSpec {
  connectMs: number;
  idleMs: number;
  halfClosedMs: number;
  writeStallMs: number;
  maxDurationMs: number | null;
}

/** What a default of a pool has: a route without hostnames. */
export interface RouteBodySpec {
  backends: BackendSpec[];
  timeouts: TimeoutsSpec;
}

export interface RouteSpec extends RouteBodySpec {
  /** Name of the pool. */
  pool: string;
  /** Canonical, in the order given. */
  hostnames: string[];
  wildcardDepth: "any" | "one";
}

export interface PortRangeSpec {
  from: number;
  to: number;
}

export interface AddressGrantSpec {
  /** Canonical CIDRs, or "public". */
  cidrs: string[];
  ports: PortRangeSpec[];
}

export interface PoolSpec {
  hello: { timeoutMs: number; bytesMax: number };
  noSni: RouteBodySpec | null;
  unmatched: RouteBodySpec | null;
  addresses: { default: AddressGrantSpec; teams: Record<string, AddressGrantSpec>; nat64: string[] };
}
