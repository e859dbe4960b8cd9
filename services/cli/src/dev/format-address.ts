import { type SocketAddress, socketAddress } from "@helloway/runtime/environment-fields";

/** "127.0.0.1:8080", "[::1]:8080". */
export function formatAddress({ host, port }: SocketAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a client on this machine reaches what listens there: loopback for a wildcard. */
export function reachable({ host, port }: SocketAddress): SocketAddress {
  if (host === "0.0.0.0") return { host: "127.0.0.1", port };
  return { host: host === "::" ? "::1" : host, port };
}

/** Of what formatAddress makes. */
export function parseAddress(text: string): SocketAddress {
  return socketAddress.parse(text);
}
