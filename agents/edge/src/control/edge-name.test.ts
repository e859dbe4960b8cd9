import { expect, test } from "vitest";
import { edgeNameOfHost, isEdgeName } from "./edge-name.ts";

test.each([
  ["edge-1", "edge-1"],
  ["edge-1.Example.com", "edge-1.example.com"],
  ["Web_1.example.com", "web-1.example.com"],
  ["-edge-", "edge"],
  ["host.local.", "host.local"],
  ["a".repeat(300), "a".repeat(253)],
  [`${"a".repeat(252)}.b`, "a".repeat(252)],
])("the host %s has the edge name %s", (host, name) => {
  expect(edgeNameOfHost(host)).toBe(name);
  expect(isEdgeName(name)).toBe(true);
});

test("a host name with nothing usable gives none", () => {
  expect(edgeNameOfHost("...")).toBeNull();
});

test.each(["", "Edge", "-a", "a-", "a.", ".a", "a_b", "a".repeat(254)])("%j is no edge name", (name) => {
  expect(isEdgeName(name)).toBe(false);
});
