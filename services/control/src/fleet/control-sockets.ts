import { lt, sql } from "drizzle-orm";
import { parseAddress } from "@helloway/routing/address";
import type { Db } from "../db/database.ts";
import { controlSockets } from "../db/schema/installation.ts";
import { inTransaction } from "../db/transaction.ts";
import { systemPrincipal } from "./context.ts";
import { syncSettings } from "./settings.ts";

export interface ControlSocket {
  /** An IP address; 0.0.0.0 or :: for every address of the host. */
  address: string;
  port: number;
  purpose: "http" | "grpc" | "database";
}

/** A replica says its sockets at every start; one that has not for so long is gone. */
const keptMs = 30 * 24 * 60 * 60 * 1000;

/** Reserves the sockets of this replica and of its database: no backend may be one. Call it at every start, with what was bound. */
export async function registerControlSockets(
  db: Db,
  options: { sockets: readonly ControlSocket[]; now: Date },
): Promise<void> {
  const { sockets, now } = options;
  const rows = sockets.map(({ address, port, purpose }) => {
    const parsed = parseAddress(address);
    if (parsed === null) throw new Error(`${address} is no IP address.`);
    return { address: parsed.text, port, purpose, seenAt: now };
  });
  await inTransaction(db, async (tx) => {
    await tx.delete(controlSockets).where(lt(controlSockets.seenAt, new Date(now.getTime() - keptMs)));
    if (rows.length > 0) {
      await tx
        .insert(controlSockets)
        .values(rows)
        .onConflictDoUpdate({
          target: [controlSockets.address, controlSockets.port, controlSockets.purpose],
          set: { seenAt: sql`excluded.seen_at` },
        });
    }
    await syncSettings(tx, { principal: systemPrincipal("control") }, "control-sockets");
  });
}
