import { expect, test } from "vitest";
import type { TableObject } from "../relay.ts";
import { decodeObjects, encodeObjects } from "./encoded-objects.ts";

const objects: TableObject[] = Array.from({ length: 1_200 }, (_, i) => ({
  kind: (["route", "barrier", "settings"] as const)[i % 3]!,
  id: `é-${i}`,
  body: new Uint8Array(i % 300).fill(i),
  hash: new Uint8Array(32).fill(i),
}));

for (const own of [true, false]) {
  test(`objects with memory ${own ? "of their own" : "in common"} come out as they went in`, async () => {
    const decoded = await decodeObjects(encodeObjects(objects), own);
    const plain = decoded.map(({ kind, id, body, hash }) => ({ kind, id, body: body.slice(), hash: hash.slice() }));
    expect(plain).toEqual(objects);
  });
}

test("what stays of an update keeps none of the memory of what was replaced", async () => {
  const encoded = encodeObjects(objects);
  for (const { body, hash } of await decodeObjects(encoded, true)) {
    expect(body.buffer).not.toBe(encoded.memory);
    expect(hash.buffer.byteLength).toBeLessThan(400);
  }
});
