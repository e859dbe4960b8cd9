import { type KeyObject, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "./durable-file.ts";
import { identityDirectory } from "./identity.ts";

/**
 * The key that an identity is being asked for with: EC P-256, on the disk before anything signed by it is sent. The same one until
 * an identity has come of it: the control plane repeats its answer to a key it has answered, so a lost reply loses nothing.
 */
export async function pendingKey(dataDirectory: string): Promise<KeyObject> {
  const path = pendingKeyPath(dataDirectory);
  const saved = await readFile(path, "utf8").catch(() => null);
  if (saved !== null) {
    try {
      return createPrivateKey(saved);
    } catch {
      // Torn by a crash before it was ever used: nothing was signed with it.
    }
  }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await mkdir(identityDirectory(dataDirectory), { recursive: true, mode: 0o700 });
  await writeDurably(path, privateKey.export({ type: "pkcs8", format: "pem" }));
  return privateKey;
}

/** To be called once the identity with this key is saved. */
export async function forgetPendingKey(dataDirectory: string): Promise<void> {
  await rm(pendingKeyPath(dataDirectory), { force: true });
}

function pendingKeyPath(dataDirectory: string): string {
  return join(identityDirectory(dataDirectory), "pending-key.pem");
}
