import type { Acceptance } from "../backend/upstream-sockets.ts";
import type { TcpHandle } from "../socket/tcp-binding.ts";

/** A connection as its listener hands it over. */
export interface Accepted {
  readonly handle: TcpHandle;
  /** Unique within the boot; part of the connection's id. */
  readonly sequence: number;
  /** As logged. */
  readonly listener: string;
  /** The socket's own addresses, v4-mapped ones unmapped. */
  readonly peer: { readonly address: string; readonly port: number };
  /** Where the connection was accepted; costs a system call. */
  readonly local: () => { address: string; port: number };
  /** A PROXY header comes first; null: none. Whether this peer may send one. */
  readonly proxy: { readonly trusted: boolean } | null;
  /**
   * Whether it is one of our own upstream sockets. To be asked at once, and again when it has said something: a worker may accept what
   * another one dials before that one's connect() has returned, and the socket is known to us.
   */
  readonly origin: () => Acceptance;
}
