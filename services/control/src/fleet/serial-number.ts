import { randomBytes } from "node:crypto";

/** Lower-case hex of 16 random bytes. An X.509 serial is a positive integer without leading zeros (RFC 5280, 4.1.2.2). */
export function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
