import fc from "fast-check";
import { expect, test } from "vitest";
import { protocolText } from "./compiled-criteria.ts";
import { noProtocols, OfferedProtocols } from "./offered-protocols.ts";

// Few bytes, so that there are equal ones, and a length is also a name's byte.
const protocol = fc.oneof(
  fc.array(fc.constantFrom(1, 2, 3), { minLength: 1, maxLength: 3 }).map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ minLength: 1, maxLength: 255 }),
);

test("has what the list has, in its order, and finds each where a search of the list finds it", () => {
  fc.assert(
    fc.property(fc.array(protocol, { maxLength: 40 }), protocol, (protocols, other) => {
      const offered = OfferedProtocols.of(protocols);
      expect([...offered]).toEqual(protocols);
      expect(offered.count()).toBe(protocols.length);
      expect(offered.isEmpty).toBe(protocols.length === 0);
      const texts = protocols.map(protocolText);
      for (const text of [...texts, protocolText(other)]) expect(offered.indexOf(text)).toBe(texts.indexOf(text));
    }),
  );
});

test("has nothing when nothing is offered", () => {
  expect([...noProtocols]).toEqual([]);
  expect([noProtocols.count(), noProtocols.indexOf("h2"), noProtocols.indexOf("")]).toEqual([0, -1, -1]);
});
