import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonDepthMax, parseStrictJson } from "./strict-json.ts";

const pointersOf = (text: string) => {
  const result = parseStrictJson(text);
  return result.ok ? [] : result.problems.map(({ pointer, code }) => `${code} ${pointer}`);
};

describe("parseStrictJson", () => {
  test("reads whatever JSON.stringify writes, as JSON.parse does", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        const result = parseStrictJson(text);
        const odd = /"__proto__":/.test(text) || !isWellFormed(value);
        expect(result.ok || odd).toBe(true);
        if (result.ok) expect(result.value).toEqual(JSON.parse(text));
      }),
    );
  });

  test("says what is wrong with text that is not JSON", () => {
    for (const text of ["", "{", '{"a":1,}', "[1 2]", "{'a':1}", "NaN", '{"a":1} x', "\u00a0{}"]) {
      expect(parseStrictJson(text), text).toMatchObject({ ok: false, detail: expect.stringMatching(/./) });
    }
  });

  test("points at every duplicate key, however it is spelled", () => {
    const text = String.raw`{"a":1,"a":2,"b":[{"c/d":1,"c\/d":2},{"e":1}],"f":{"g":1,"\u0067":2},"h":{"a":1}}`;
    expect(pointersOf(text)).toEqual(["duplicate_key /a", "duplicate_key /b/0/c~1d", "duplicate_key /f/g"]);
  });

  test("is not confused by structure inside strings", () => {
    expect(parseStrictJson(String.raw`{"a":"{\"a\":[,\\\"","b":["a","a",":","}"]}`).ok).toBe(true);
  });

  test("refuses __proto__ as a key and lets it be a value", () => {
    expect(pointersOf('{"spec":{"__proto__":{"admin":true}}}')).toEqual(["forbidden_key /spec/__proto__"]);
    expect(parseStrictJson('{"a":"__proto__"}').ok).toBe(true);
  });

  test("refuses half a surrogate pair, in a value and in a key", () => {
    expect(pointersOf(String.raw`{"a":["\ud800"]}`)).toEqual(["bad_unicode /a/0"]);
    expect(pointersOf(String.raw`{"\udc00":1}`)).toHaveLength(1);
    expect(parseStrictJson(String.raw`{"a":"\ud83d\ude00"}`).ok).toBe(true);
  });

  test("refuses what nests too deep, in linear time", () => {
    expect(parseStrictJson("[".repeat(jsonDepthMax) + "]".repeat(jsonDepthMax)).ok).toBe(true);
    const deep = "[".repeat(400_000) + "]".repeat(400_000);
    expect(parseStrictJson(deep)).toMatchObject({ ok: false, problems: [{ code: "too_deep" }] });
  });
});

function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (Array.isArray(value)) return value.every(isWellFormed);
  return (
    typeof value !== "object" ||
    value === null ||
    Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormed(inner))
  );
}
