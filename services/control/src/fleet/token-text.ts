// API tokens: `hwt_` + 43 characters (32 random bytes) + 6 characters (checksum), base62: no punctuation, so that a double click selects
// all of it. The checksum lets secret scanners and us tell a token from something that looks like one without asking the database.
import { randomBytes } from "node:crypto";
import { sha256 } from "./sha256.ts";

const prefix = "hwt_";
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const bodyLength = 43;
const checksumBytes = 4;
const checksumLength = 6;
const shape = new RegExp(`^${prefix}[0-9A-Za-z]{${bodyLength + checksumLength}}$`);

/** A new token of 256 random bits. */
export function makeTokenText(): string {
  const body = prefix + toBase62(randomBytes(32), bodyLength);
  return body + checksumOf(body);
}

/** Whether it can be one of ours. */
export function isTokenText(text: string): boolean {
  if (!shape.test(text)) return false;
  return text.slice(-checksumLength) === checksumOf(text.slice(0, -checksumLength));
}

/** What the database knows a token by: SHA-256 is enough for 256 random bits. */
export function hashTokenText(text: string): Uint8Array {
  return sha256(Buffer.from(text));
}

function checksumOf(body: string): string {
  return toBase62(sha256(Buffer.from(body)).subarray(0, checksumBytes), checksumLength);
}

function toBase62(bytes: Uint8Array, length: number): string {
  let rest = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (let i = 0; i < length; i++) {
    text = alphabet[Number(rest % 62n)] + text;
    rest /= 62n;
  }
  return text;
}
