import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ToldError } from "@helloway/runtime/told-error";
import { writeSecretFile } from "./secret-file.ts";

/**
 * The installation's secret key for the embedded database: made at the first start, kept in `<data>/secret-key`. Throws ToldError
 * when a database is there and its key is not.
 */
export async function readOrMakeSecretKey(
  dataDirectory: string,
  { databaseExists }: { databaseExists: boolean },
): Promise<string> {
  const path = join(dataDirectory, "secret-key");
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  if (databaseExists) {
    throw new ToldError(
      `${path} is missing, and the database beside it has secrets that were sealed with it: put the file back, or set HELLOWAY_SECRET_KEY`,
    );
  }
  const key = randomBytes(32).toString("base64url");
  await writeSecretFile(path, `${key}\n`);
  return key;
}
