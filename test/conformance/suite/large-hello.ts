import { randomBytes } from "node:crypto";
import { alpn, clientHello, record, serverName } from "../../vectors/hello-bytes.ts";

/** Of offers of one byte; with them the hello is nearly the largest of a pool that sets no cap of its own: 32 KiB. */
export const LARGE_HELLO_OFFERS = 16_000;
const FRAGMENT_BYTES = 16_000;

/** A hello of several records. @param last the last offer: before it come others of one byte. */
export function largeHello(name: string, last = "x"): Buffer {
  const offers = Array.from({ length: LARGE_HELLO_OFFERS - 1 }, () => "x");
  const message = clientHello({ random: randomBytes(32), extensions: [serverName(name), alpn(...offers, last)] });
  const records: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += FRAGMENT_BYTES) {
    records.push(record(message.subarray(at, at + FRAGMENT_BYTES)));
  }
  return Buffer.concat(records);
}
