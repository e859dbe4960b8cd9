import { expect, test } from "vitest";
import { toPointer } from "./pointer.ts";

// The examples of RFC 6901 section 5, without the JSON string escapes.
test.each([
  [[], ""],
  [["foo"], "/foo"],
  [["foo", 0], "/foo/0"],
  [[""], "/"],
  [["a/b"], "/a~1b"],
  [["c%d"], "/c%d"],
  [["m~n"], "/m~0n"],
  [["~1"], "/~01"],
])("%j is %s", (path, pointer) => {
  expect(toPointer(path)).toBe(pointer);
});
