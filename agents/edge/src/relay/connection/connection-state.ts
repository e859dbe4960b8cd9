import type { RefusedReason } from "@helloway/routing/close-reason";
import type { Dial, Dialled } from "../backend/dial.ts";
import type { HelloParser } from "../hello/hello-parser.ts";
import type { ProxyHeaderParser } from "../proxy-protocol/proxy-header-parser.ts";
import type { Table } from "../table/table.ts";
import type { Copy } from "./copy.ts";
import type { ReceivedBytes } from "./received-bytes.ts";
import type { WaitingClient } from "./waiting-client.ts";

/** What a connection is doing, with what only that needs. */
export type ConnectionState =
  /** Nothing is decided, nothing was read. */
  | { kind: "accepted" }
  /** Bytes of a PROXY header are coming in. */
  | { kind: "proxy"; parser: ProxyHeaderParser; taken: number; table: Table }
  /** Bytes of the hello are coming in. */
  | { kind: "hello"; parser: HelloParser; received: ReceivedBytes }
  /**
   * The route is decided; what the client goes on sending is kept for the backend, to which a preamble (a PROXY header; null: none) is
   * said before it.
   */
  | { kind: "dialling"; dial: Dial; preamble: Uint8Array | null; client: WaitingClient }
  /** A backend has everything received; also while our own cut is flushed. */
  | { kind: "forwarding"; copy: Copy; upstream: Dialled }
  /** Refused; the alert and a FIN are on their way. `evicted`: it has no room of its own any more. */
  | { kind: "discarding"; reason: RefusedReason; left: number; evicted: boolean }
  | { kind: "closed" };
