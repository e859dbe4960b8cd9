import type { Alert } from "@helloway/routing/alert";

/** RFC 9846, section 6: a fatal alert in a record of version 3.3. */
export function alertRecord(alert: Alert): Uint8Array {
  return Uint8Array.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert);
}
