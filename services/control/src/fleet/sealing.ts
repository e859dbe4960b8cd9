import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { HellowayError } from "../errors.ts";

// Secrets at rest: AES-256-GCM (NIST SP 800-38D) with a key derived (HKDF, RFC 5869) from the installation's secret.
// sealed = version (1) | key id (4) | nonce (12) | tag (16) | ciphertext. Random nonces are safe for the few secrets there are.

const version = 1;
const keyIdBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;
const headerBytes = 1 + keyIdBytes + nonceBytes + tagBytes;
/** Shorter ones can be guessed; a generated key has 43 characters. */
const secretLengthMin = 32;

export interface Sealing {
  /** @param context which place it is for ("table/row/column"): opened for another, it is refused. */
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** Throws `sealed_with_other_key` when no key fits, and when the bytes or the context are not what was sealed. */
  open(sealed: Uint8Array, context: string): Uint8Array;
  /** False: sealed with an older key, and to be sealed anew. */
  isCurrent(sealed: Uint8Array): boolean;
}

interface Key {
  id: Buffer;
  secret: Uint8Array;
}

/** @param keys the installation's secret; "new,old" while it is being changed: the first seals, all open. */
export function createSealing(keys: string): Sealing {
  const ring = keys.split(",").map((text) => toKey(text.trim()));
  const current = ring[0] as Key;
  return {
    seal(plain, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", current.secret, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return new Uint8Array(Buffer.concat([Buffer.from([version]), current.id, nonce, cipher.getAuthTag(), body]));
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      const key =
        bytes.length >= headerBytes && bytes[0] === version
          ? ring.find((one) => one.id.equals(keyIdOf(bytes)))
          : undefined;
      if (key === undefined) throw refusal();
      const nonce = bytes.subarray(1 + keyIdBytes, 1 + keyIdBytes + nonceBytes);
      const tag = bytes.subarray(headerBytes - tagBytes, headerBytes);
      const decipher = createDecipheriv("aes-256-gcm", key.secret, nonce).setAAD(Buffer.from(context)).setAuthTag(tag);
      try {
        return new Uint8Array(Buffer.concat([decipher.update(bytes.subarray(headerBytes)), decipher.final()]));
      } catch (cause) {
        throw refusal(cause);
      }
    },
    isCurrent: (sealed) => keyIdOf(Buffer.from(sealed)).equals(current.id),
  };
}

function toKey(text: string): Key {
  if (text.length < secretLengthMin) {
    throw new HellowayError(
      "invalid",
      "secret_key_too_short",
      `Every key in HELLOWAY_SECRET_KEY has at least ${secretLengthMin} characters. \`openssl rand -base64 32\` makes one.`,
    );
  }
  const secret = new Uint8Array(hkdfSync("sha256", text, "", "helloway sealing", 32));
  return { id: createHash("sha256").update(secret).digest().subarray(0, keyIdBytes), secret };
}

const keyIdOf = (sealed: Buffer): Buffer => sealed.subarray(1, 1 + keyIdBytes);

function refusal(cause?: unknown): HellowayError {
  return new HellowayError(
    "internal",
    "sealed_with_other_key",
    "A stored secret cannot be opened: it was sealed with another key, or changed. Start with the HELLOWAY_SECRET_KEY of this database.",
    { cause },
  );
}
