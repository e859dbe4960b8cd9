// What a ClientHello says, as far as routing needs it. Bytes of names stay bytes: a name is untrusted until canonicalName()
// of @helloway/routing accepts it.

import type { Alert } from "@helloway/routing/alert";
import type { OfferedProtocols } from "@helloway/routing/offered-protocols";

export interface ParsedHello {
  /** The host_name of server_name as received; null: no extension, or an empty name. */
  serverName: Uint8Array | null;
  /** Offered protocols in the client's order, GREASE included, each as received. */
  alpn: OfferedProtocols;
  /**
   * Offered versions without GREASE, as sent: supported_versions when present, else everything up to
   * min(legacy_version, 0x0303). 0x0304 is TLS 1.3.
   */
  versions: readonly number[];
  /** Has the encrypted_client_hello extension (outer or inner). */
  ech: boolean;
  /** Offers a post-quantum key share. */
  postQuantum: boolean;
  /** Records the hello spanned. */
  records: number;
}

/** Close reasons that the bytes of a hello alone can lead to. */
export type HelloRejection = {
  reason: "not_tls" | "malformed_hello" | "hello_too_large" | "tls_version";
  /** null: close without a TLS byte. */
  alert: Alert | null;
  /** Why, for the log. */
  detail: string;
};

/** The three outcomes, and there is no fourth: no input makes the parser throw. */
export type HelloVerdict =
  | { kind: "incomplete" }
  | { kind: "hello"; hello: ParsedHello }
  | { kind: "rejected"; rejection: HelloRejection };
