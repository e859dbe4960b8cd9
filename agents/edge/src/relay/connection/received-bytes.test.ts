import fc from "fast-check";
import { expect, test } from "vitest";
import { ReceivedBytes } from "./received-bytes.ts";

test("gives back every piece in order, whatever their sizes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3_000 })), (pieces) => {
      const received = new ReceivedBytes();
      for (const piece of pieces) received.append(Buffer.from(piece));
      const expected = Buffer.concat(pieces);
      expect(Buffer.from(received.bytes()).equals(expected)).toBe(true);
      expect(received.length).toBe(expected.length);
    }),
  );
});

test("costs a client that sends single bytes at most twice what it sent, and never changes what it was given", () => {
  const received = new ReceivedBytes();
  const first = Buffer.from("a");
  received.append(first);
  for (let i = 0; i < 65_535; i++) received.append(Buffer.from("b"));
  expect(received.bytes().buffer.byteLength).toBeLessThanOrEqual(2 * 65_536 + 2);
  expect(first.toString()).toBe("a");
});
