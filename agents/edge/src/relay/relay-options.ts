import type { Logger } from "@helloway/runtime/logger";
import type { ConnectionRecord, ListenerAddress } from "./relay.ts";

export interface RelayOptions {
  /** Where to accept; port 0: any. */
  listen: readonly ListenerAddress[];
  /** Further sockets of this process that no backend may be (admin). */
  ownSockets: readonly ListenerAddress[];
  edgeName: string;
  bootId: string;
  /** Resolvers of backends that are names, "ip:port" each; null: the system's. */
  dnsServers: readonly string[] | null;
  log: Pick<Logger, "debug" | "info" | "warn" | "error">;
  /** Called once for every accepted connection, when it has ended. */
  onClose?: (record: ConnectionRecord) => void;
}
