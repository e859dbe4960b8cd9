import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Db } from "./db/database.ts";
import { inTransaction } from "./db/transaction.ts";
import { createFirstAdminToken } from "./fleet/admin-token.ts";
import { writeSecretFile } from "./secret-file.ts";

interface AdminTokenOptions {
  dataDirectory: string;
  now(): Date;
  log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/**
 * Puts the first administrator's token into `<data>/admin-token` when the installation has no token at all. The file is there before the
 * token counts, so that no start that is cut off leaves a token nobody has.
 */
export async function ensureAdminToken(db: Db, { dataDirectory, now, log }: AdminTokenOptions): Promise<void> {
  const path = join(dataDirectory, "admin-token");
  const isMade = await inTransaction(db, async (tx) => {
    const token = await createFirstAdminToken(tx, { now });
    if (token === null) return false;
    // Of a start that was cut off, or of another installation whose administrator may still want it.
    if (existsSync(path)) await rename(path, `${path}.${now().getTime()}.old`);
    await writeSecretFile(path, `${token}\n`);
    return true;
  });
  if (isMade) log.info({ path }, "the first administrator's token is in this file");
  else if (!existsSync(path)) {
    log.warn(
      { path },
      "this file is not there, and the database has tokens: use one of an administrator and make others with POST /api/v1/tokens. " +
        "When nobody has one any more, remove the rows of the table tokens and start again: a new one is then written here",
    );
  }
}
