import { expect, test } from "vitest";
import { edgeNameOfHost, isEdgeName } from "./edge-name.ts";

test.each([
  ["edge-1", "edge-1"],
  ["Web_1.Example.com", "web-1-example-com"],
  ["-edge-", "edge"],
  ["a".repeat(80), "a".repeat(63)],
  [`${"a".repeat(62)}.b`, "a".repeat(62)],
])("the host %s has the edge name %s", (host, name) => {
  expect(edgeNameOfHost(host)).toBe(name);
  expect(isEdgeName(name)).toBe(true);
});

test("a host name with nothing usable gives none", () => {
  expect(edgeNameOfHost("...")).toBeNull();
});

test.each(["", "Edge", "-a", "a-", "a.b", "a".repeat(64)])("%j is no edge name", (name) => {
  expect(isEdgeName(name)).toBe(false);
});
