import fc from "fast-check";
import { expect, test } from "vitest";
import { noProtocols, OfferedProtocols } from "./offered-protocols.ts";

test("has what the list has, in its order", () => {
  const lists = fc.array(fc.uint8Array({ minLength: 1, maxLength: 255 }), { maxLength: 40 });
  fc.assert(
    fc.property(lists, (protocols) => {
      const bytes = Buffer.concat(protocols.flatMap((each) => [Uint8Array.of(each.length), each]));
      const offered = new OfferedProtocols(bytes);
      expect([...offered].map((each) => [...each])).toEqual(protocols.map((each) => [...each]));
      expect(offered.isEmpty).toBe(protocols.length === 0);
    }),
  );
  expect([...noProtocols]).toEqual([]);
});
