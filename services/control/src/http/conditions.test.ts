import { describe, expect, test } from "vitest";
import { putConditions, toPrecondition } from "./conditions.ts";

const precondition = (headers: Record<string, string>) => toPrecondition(putConditions.parse(headers));

describe("toPrecondition", () => {
  test.each([
    [{}, {}],
    [{ "if-match": '"7"' }, { ifMatch: [7] }],
    [{ "if-match": ' "7" , "8"' }, { ifMatch: [7, 8] }],
    [{ "if-match": "*" }, { ifMatch: "*" }],
    [{ "if-none-match": "*" }, { ifNoneMatchAny: true }],
  ])("%j means %j", (headers, expected) => {
    expect(precondition(headers)).toEqual(expected);
  });

  test("a weak tag or one that is not ours matches no version", () => {
    expect(precondition({ "if-match": 'W/"7"' })).toEqual({ ifMatch: [] });
    expect(precondition({ "if-match": '"seven", "07", "-1"' })).toEqual({ ifMatch: [] });
  });

  test.each(["7", '"7', '"7" "8"', "", '"7",', "'7'"])("If-Match: %s is refused", (text) => {
    expect(putConditions.safeParse({ "if-match": text }).success).toBe(false);
  });

  test("a write with If-None-Match takes only *", () => {
    expect(putConditions.safeParse({ "if-none-match": '"7"' }).error?.issues[0]).toMatchObject({
      params: { code: "unsupported" },
    });
  });
});
