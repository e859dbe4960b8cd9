import type { Address } from "./address.ts";
import type { OfferedProtocols } from "./offered-protocols.ts";

/** What routing knows of a client once its hello is complete. */
export interface HelloFacts {
  /** The host_name as received; null: none. */
  readonly serverName: Uint8Array | null;
  /** Offered protocols in the client's order, as received. */
  readonly alpn: OfferedProtocols;
  /** Offered versions as numbers of the wire, 0x0304 for TLS 1.3; without GREASE. */
  readonly versions: readonly number[];
  /** The client's address, v4-mapped ones unmapped. Asked only where a route wants to know: most do not. */
  source(): Address;
  /** Where the source is, ISO 3166-1 alpha-2 in upper case; null: unknown. Asked only where a route wants to know. */
  country(): string | null;
}
