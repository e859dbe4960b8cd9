/** The one terminal outcome of a connection that was forwarded to a backend. */
export const forwardedReasons = [
  "client_closed",
  "backend_closed",
  "client_reset",
  "backend_reset",
  "idle_timeout",
  "half_closed_timeout",
  "max_duration",
  "write_stall",
  "drained",
  "cut",
  "worker_lost",
  "edge_lost",
] as const;

/** The one terminal outcome of a connection that no backend ever got. */
export const refusedReasons = [
  "client_gone",
  "hello_timeout",
  "not_tls",
  "malformed_hello",
  "hello_too_large",
  "bad_proxy_header",
  "no_sni",
  "no_route",
  "no_match",
  "tls_version",
  "denied",
  "limited",
  "no_backend",
  "connect_failed",
  "connect_timeout",
  "overloaded",
  "draining",
  "no_table",
  "loop",
  "internal_error",
  "worker_lost",
] as const;

export type ForwardedReason = (typeof forwardedReasons)[number];
export type RefusedReason = (typeof refusedReasons)[number];
export type CloseReason = ForwardedReason | RefusedReason;

export const closeReasons: readonly CloseReason[] = [...new Set<CloseReason>([...forwardedReasons, ...refusedReasons])];
