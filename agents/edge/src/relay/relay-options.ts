import type { Logger } from "@helloway/runtime/logger";
import type { ConnectionRecord, ListenerAddress, ListenerSpec } from "./relay.ts";

export interface RelayOptions {
  /** Where to accept; port 0: any. */
  listen: readonly ListenerSpec[];
  /** How many workers share the listeners; at least 1. */
  workers: number;
  /** CIDRs that may send PROXY headers, to listeners that want them. */
  proxyTrusted: readonly string[];
  /** Path of a country database (MMDB); null: none, and routes that name countries are refused. */
  geoDatabase: string | null;
  /** Further sockets of this process that no backend may be (admin). */
  ownSockets: readonly ListenerAddress[];
  edgeName: string;
  bootId: string;
  /** Resolvers of backends that are names, "ip:port" each; null: the system's. */
  dnsServers: readonly string[] | null;
  log: Pick<Logger, "debug" | "info" | "warn" | "error"> & { isLevelEnabled?(level: string): boolean };
  /**
   * Called once for every accepted connection, when it has ended; not for those that were lost with their worker, nor for those that
   * ended in its last 20 ms. All of them are counted.
   */
  onClose?: (record: ConnectionRecord) => void;
}
