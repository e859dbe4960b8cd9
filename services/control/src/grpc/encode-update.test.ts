import { fromBinary } from "@bufbuild/protobuf";
import { ConnectResponseSchema, type Update } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { encodeUpdate } from "./encode-update.ts";

const to = { installation: "i", poolId: "p", epoch: 1, revision: 9, digest: new Uint8Array(32).fill(3) };
const object = (id: string, bytes: number) => ({ kind: 1, id, body: new Uint8Array(bytes), hash: new Uint8Array(32) });

function decode(parts: readonly Uint8Array[]): Update[] {
  return parts.map((part) => {
    const { message } = fromBinary(ConnectResponseSchema, part);
    if (message.case !== "update") throw new Error("not an update");
    return message.value;
  });
}

test("parts hold about 1 MiB, repeat what the update is, and only the last says that it is the last", () => {
  const objects = Array.from({ length: 30 }, (_, index) => object(`o${index}`, 100_000));
  const removals = [{ kind: 2, id: "gone", cause: 1 }];
  const encoded = encodeUpdate({ to, fromRevision: 4, objects, removals });
  const parts = decode(encoded);
  expect(parts.length).toBe(3);
  expect(Math.max(...encoded.map(({ length }) => length))).toBeLessThan(1.1 * 1024 * 1024);
  expect(parts.map(({ more }) => more)).toEqual([true, true, false]);
  for (const part of parts) {
    expect(part).toMatchObject({ fromRevision: 4n, to: { poolId: "p", epoch: 1n, revision: 9n }, digest: to.digest });
  }
  expect(parts.flatMap((part) => part.objects.map(({ id }) => id))).toEqual(objects.map(({ id }) => id));
  expect(parts.flatMap((part) => part.removals)).toMatchObject(removals);
});

test("an object larger than a part is a part of its own", () => {
  const parts = decode(
    encodeUpdate({
      to,
      fromRevision: null,
      objects: [object("a", 10), object("b", 3_000_000), object("c", 10)],
      removals: [],
    }),
  );
  expect(parts.map((part) => part.objects.map(({ id }) => id))).toEqual([["a"], ["b"], ["c"]]);
  expect(parts.every(({ fromRevision }) => fromRevision === undefined)).toBe(true);
});

test("an empty table is one part", () => {
  expect(decode(encodeUpdate({ to, fromRevision: null, objects: [], removals: [] }))).toMatchObject([{ more: false }]);
});
