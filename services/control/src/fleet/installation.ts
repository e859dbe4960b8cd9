import type { Db } from "../db/database.ts";
import { installation } from "../db/schema/installation.ts";
import { inTransaction } from "../db/transaction.ts";
import { HellowayError } from "../errors.ts";
import type { Sealing } from "./sealing.ts";

const context = "installation/secret_check";
const checkText = "helloway";

export interface Installation {
  id: string;
  epoch: number;
  /** By this call. */
  created: boolean;
}

/**
 * The installation that this database is, made when there is none. Throws `wrong_secret_key` when the key is not the one the
 * database's secrets were sealed with; a check value sealed with an older key of the ring is sealed anew.
 */
export async function ensureInstallation(db: Db, options: { sealing: Sealing; now: Date }): Promise<Installation> {
  const { sealing, now } = options;
  const check = () => sealing.seal(Buffer.from(checkText), context);
  return await inTransaction(db, async (tx) => {
    const made = await tx
      .insert(installation)
      .values({ secretCheck: check(), createdAt: now })
      .onConflictDoNothing()
      .returning();
    if (made[0] !== undefined) return { id: made[0].id, epoch: made[0].epoch, created: true };
    const [row] = await tx.select().from(installation).for("update");
    if (row === undefined) throw new Error("an installation that conflicts is not there");
    checkKey(sealing, row.secretCheck);
    if (!sealing.isCurrent(row.secretCheck)) await tx.update(installation).set({ secretCheck: check() });
    return { id: row.id, epoch: row.epoch, created: false };
  });
}

function checkKey(sealing: Sealing, sealed: Uint8Array): void {
  try {
    sealing.open(sealed, context);
  } catch (cause) {
    throw new HellowayError(
      "invalid",
      "wrong_secret_key",
      "HELLOWAY_SECRET_KEY is not the key of this database. Start with the key it was made with, or with `new,old` to change it.",
      { cause },
    );
  }
}
