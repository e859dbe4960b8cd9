import { isNull } from "drizzle-orm";
import { parseAddress } from "@helloway/routing/address";
import type { Db } from "../db/database.ts";
import { edges } from "../db/schema/edges.ts";
import { controlSockets } from "../db/schema/installation.ts";
import type { FleetSockets } from "./encode-object.ts";

/**
 * What no backend may be, whatever is granted: the sockets of the edges that are not revoked, of the control plane and of the
 * database, and the fleet's public addresses. Canonical, sorted, each once.
 */
export async function readFleetSockets(db: Db): Promise<FleetSockets> {
  const reported = await db
    .select({ listeners: edges.listeners, admin: edges.admin, addresses: edges.addresses })
    .from(edges)
    .where(isNull(edges.revokedAt));
  const own = await db.select({ address: controlSockets.address, port: controlSockets.port }).from(controlSockets);

  const sockets = new Map<string, { address: string; port: number }>();
  for (const socket of [
    ...reported.flatMap(({ listeners, admin }) => [...listeners, ...(admin ? [admin] : [])]),
    ...own,
  ]) {
    // An edge reports what it likes: what is no socket reserves nothing, and must not make the settings unreadable.
    const address = parseAddress(socket.address)?.text;
    if (address === undefined || !Number.isInteger(socket.port) || socket.port < 1 || socket.port > 65_535) continue;
    sockets.set(`${address} ${socket.port}`, { address, port: socket.port });
  }
  const addresses = reported.flatMap((edge) => edge.addresses).map((text) => parseAddress(text)?.text);
  return {
    reservedSockets: [...sockets].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, socket]) => socket),
    fleetAddresses: [...new Set(addresses.filter((text) => text !== undefined))].toSorted(),
  };
}
