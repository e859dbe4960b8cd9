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

export type Balance = "roundRobin" | "leastConnections" | "random" | "sourceHash";
export type ProxyTlv = "authority" | "alpn" | "uniqueId" | "edge";
export type TlsVersion = "1.0" | "1.1" | "1.2" | "1.3";

/** At least one list is not empty; an empty one is no criterion. In the form of canonicalCriteria. */
export interface MatchSpec {
  /** As text, with \xNN for what is not printable. */
  alpn: string[];
  sourceCidrs: string[];
  countries: string[];
}

/** Per edge; at least one is not null. */
export interface LimitsSpec {
  connections: number | null;
  connectionsPerSource: number | null;
  newPerSecond: number | null;
  newPerSecondPerSource: number | null;
  /** Of each connection, each way. */
  bytesPerSecond: number | null;
  mode: "enforce" | "observe";
}

/** At least one says something. Networks merged, countries in upper case, both sorted. */
export interface AccessSpec {
  allow: string[];
  deny: string[];
  allowCountries: string[];
  denyCountries: string[];
  minTlsVersion: TlsVersion | null;
}

/** What a default of a pool has: a route without hostnames. An optional field is absent where the default holds. */
export interface RouteBodySpec {
  backends: BackendSpec[];
  timeouts: TimeoutsSpec;
  balance?: Exclude<Balance, "roundRobin">;
  proxyProtocol?: "v1" | "v2";
  /** Not empty; with v2 only. In the order of the type, each once. */
  proxyTlvs?: ProxyTlv[];
  limits?: LimitsSpec;
  access?: AccessSpec;
}

export interface RouteSpec extends RouteBodySpec {
  /** Name of the pool. */
  pool: string;
  /** Canonical, in the order given. */
  hostnames: string[];
  wildcardDepth: "any" | "one";
  match?: MatchSpec;
  onReject?: "drop";
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
