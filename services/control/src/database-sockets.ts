import { lookup } from "node:dns/promises";
import pg from "pg";

/**
 * The sockets of the database that a postgres:// URL names, as addresses: what no backend may be. A name is looked up once, at
 * start; none when it has no address now or when the URL is that of a Unix socket.
 */
export async function databaseSockets(databaseUrl: string): Promise<{ address: string; port: number }[]> {
  const { host, port } = new pg.Client({ connectionString: databaseUrl });
  if (host.startsWith("/")) return [];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => ({ address, port }));
}
