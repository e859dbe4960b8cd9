import { bigint, customType, timestamp } from "drizzle-orm/pg-core";

/** bytea as Uint8Array on both drivers. */
export const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  fromDriver: (value) => new Uint8Array(value),
});

/** A count, a revision or a number of bytes; exact up to 2^53. */
export const count = () => bigint({ mode: "number" });

/** An instant, to the microsecond in the database and the millisecond here. */
export const instant = () => timestamp({ withTimezone: true, mode: "date" });
