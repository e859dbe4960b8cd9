import { create } from "@bufbuild/protobuf";
import { AckSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { readAck } from "./read-ack.ts";

test("a text that is cut stays a text: never half a character, which a database refuses", () => {
  const version = { installation: "i", poolId: "p", epoch: 1n, revision: 1n };
  const error = `${"x".repeat(499)}\u{1f600}`;
  const { disk } = readAck(create(AckSchema, { version, digest: new Uint8Array(32), disk: { error } }));
  expect(disk?.error).toHaveLength(500);
  expect(disk?.error.isWellFormed()).toBe(true);
});
