import type { Tx } from "../db/database.ts";
import { pools } from "../db/schema/pools.ts";
import { actorOf, type AuditContext } from "./audit.ts";
import { encodeSettings, objectKinds, settingsId } from "./encode-object.ts";
import { readFleetSockets } from "./fleet-sockets.ts";
import { lockFleetSockets } from "./locks.ts";
import { commitRevision, effectiveChanges, lockPools } from "./revisions.ts";

/**
 * Makes the settings object of every pool say what is true now, after an edge, a listener, an address or a socket of the control
 * plane came or went. A pool where nothing changes gets no revision. Locks every pool: call it last in the transaction.
 */
export async function syncSettings(tx: Tx, ctx: Pick<AuditContext, "principal">, cause = "settings"): Promise<void> {
  await lockFleetSockets(tx);
  const ids = await tx.select({ id: pools.id }).from(pools);
  await lockPools(
    tx,
    ids.map(({ id }) => id),
  );
  const sockets = await readFleetSockets(tx);
  for (const { id: poolId, spec } of await tx
    .select({ id: pools.id, spec: pools.spec })
    .from(pools)
    .orderBy(pools.id)) {
    const body = encodeSettings(spec, sockets);
    const changes = await effectiveChanges(tx, poolId, [{ kind: objectKinds.settings, id: settingsId, body }]);
    if (changes.length > 0) await commitRevision(tx, { poolId, author: actorOf(ctx.principal), cause, changes });
  }
}
