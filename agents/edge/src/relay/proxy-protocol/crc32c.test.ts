import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32c } from "./crc32c.ts";

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);

/** RFC 3720, B.4, whose CRCs are written in the order they go over the wire there, lowest byte first. */
const known: [string, Uint8Array, number][] = [
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 ascending", ascending, 0x46dd794e],
  ["32 descending", ascending.toReversed(), 0x113fdb5c],
  [
    "an iSCSI read command",
    Buffer.from(
      "01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000",
      "hex",
    ),
    0xd9963a56,
  ],
  ["the digits 1 to 9", Buffer.from("123456789"), 0xe3069283],
  ["nothing", new Uint8Array(0), 0],
];

describe("CRC-32C", () => {
  test.each(known)("of %s is the published one", (_, bytes, crc) => expect(crc32c(bytes)).toBe(crc));

  test("of two parts, one after the other, is that of the whole", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
        expect(crc32c(second, crc32c(first))).toBe(crc32c(Buffer.concat([first, second])));
      }),
    );
  });
});
