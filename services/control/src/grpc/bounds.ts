// What an edge may send. Everything that it sends is untrusted: an enrolled machine may be somebody else's by now.
import { HellowayError } from "../errors.ts";

/** Throws malformed/<code> naming the field. */
export function refuse(code: string, field: string, why: string): never {
  throw new HellowayError("malformed", code, `${field} ${why}.`);
}

/** A protocol buffer's 64-bit number as a count: exact, and small enough that sums of many stay exact. */
export function boundedCount(value: bigint, max: number, code: string, field: string): number {
  if (value < 0n || value > BigInt(max)) refuse(code, field, `is above ${max}`);
  return Number(value);
}

export function boundedText(value: string, max: number, code: string, field: string): string {
  if (value.length > max) refuse(code, field, `has more than ${max} characters`);
  // Neither a terminal that shows a log nor Postgres, which has no NUL in text, is to meet these.
  if (/[\u0000-\u001f\u007f]/.test(value)) refuse(code, field, "has control characters");
  return value;
}

/** System messages, cut rather than refused. */
export function printableText(text: string): string {
  // Half a character, where the cut goes through one, is no text to a database.
  return text
    .replaceAll(/[\u0000-\u001f\u007f]/g, " ")
    .slice(0, 500)
    .toWellFormed();
}

export function boundedList<T>(values: readonly T[], max: number, code: string, field: string): readonly T[] {
  if (values.length > max) refuse(code, field, `has more than ${max} items`);
  return values;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function boundedUuid(value: string, code: string, field: string): string {
  if (!uuid.test(value)) refuse(code, field, "is not a UUID in lower case");
  return value;
}

export function bytesOf(value: Uint8Array, length: number, code: string, field: string): Uint8Array {
  if (value.length !== length) refuse(code, field, `has ${value.length} bytes instead of ${length}`);
  // A copy: the bytes are a view of the whole message.
  return new Uint8Array(value);
}
