import { create } from "@bufbuild/protobuf";
import { RequestResultSchema } from "@helloway/proto/edge";
import { expect, test } from "vitest";
import { readRequestResult } from "./read-request-result.ts";

const id = "2f0c4a86-6d5e-4a59-9a50-0b4c3ef1d6a1";
const read = (fields: { id?: string; error?: string; connections?: bigint }) =>
  readRequestResult(create(RequestResultSchema, { id, ...fields }));

test("an answer is a count, or an error that is fit for a log and the database", () => {
  expect(read({ connections: 3n })).toEqual({ id, result: { connections: 3 } });
  expect(read({ error: "line\u0000\nnext", connections: 3n })).toEqual({ id, result: { error: "line  next" } });
  expect(read({ error: "x".repeat(10_000) })).toEqual({ id, result: { error: "x".repeat(500) } });
});

test.each([
  ["an id that is none", { id: "'; drop table routes" }],
  ["no id", { id: "" }],
  ["more connections than there can be", { connections: 2n ** 64n - 1n }],
])("%s is refused", (_, fields) => {
  expect(() => read(fields)).toThrow(expect.objectContaining({ code: "bad_request_result" }) as Error);
});
