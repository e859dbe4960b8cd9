import type { Logger } from "@helloway/runtime/logger";
import type { ListenerAddress, ListenerSpec } from "./relay.ts";

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
   * Gets the record of every accepted connection, once, within 20 ms of its end: JSON of a ConnectionRecord and a newline for each, of
   * several at a time, because that is what is written down and costs least. Nobody gets those of connections that were lost with their
   * worker, nor of what ended in its last 20 ms. All of them are counted.
   */
  onClosed?: (lines: string) => void;
}
