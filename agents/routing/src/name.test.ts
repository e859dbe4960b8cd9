import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalName, nameCovers, parseHostname } from "./name.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const canonical = (text: string): string | null => canonicalName(bytes(text));
const label63 = "a".repeat(63);
const name253 = `${label63}.${label63}.${label63}.${"b".repeat(61)}`;

const character = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzABCDEFXYZ0123456789-_".split(""));
const label = fc.string({ unit: character, minLength: 1, maxLength: 20 });
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));

describe("canonicalName", () => {
  test.each([
    ["app.example.test", "app.example.test"],
    ["APP.Example.TEST", "app.example.test"],
    ["app.example.test.", "app.example.test"],
    ["localhost", "localhost"],
    ["_dmarc.app_x.test", "_dmarc.app_x.test"],
    ["xn--bcher-kva.test", "xn--bcher-kva.test"],
    ["-a-.-b-", "-a-.-b-"],
    ["1.2.3.4.example.test", "1.2.3.4.example.test"],
    ["0xg", "0xg"],
    ["1a", "1a"],
    ["__proto__", "__proto__"],
    ["myarpa", "myarpa"],
    ["in-addr.arpa.test", "in-addr.arpa.test"],
    [name253, name253],
    [`${name253}.`, name253],
  ])("%s is looked up as %s", (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each([
    ["an IPv4 address", "192.0.2.1"],
    ["a last label of digits", "app.1"],
    ["a number", "2130706433"],
    ["zero", "0"],
    ["a last label in hex", "127.0x1"],
    ["hex in capitals", "0X7F000001"],
    ["hex without digits", "a.0x"],
    ["an IPv4 address with a dot after it", "192.0.2.1."],
    ["an IPv6 address", "::1"],
    ["one in brackets", "[::1]"],
    ["a port", "app.example.test:443"],
    ["nothing", ""],
    ["a dot", "."],
    ["two dots at the end", "app.example.test.."],
    ["a dot in front", ".example.test"],
    ["two dots inside", "app..test"],
    ["a label of 64", `${label63}a.test`],
    ["a last label of 64", `test.${label63}a`],
    ["254 bytes", `${name253}b`],
    ["254 bytes and a dot", `${name253}b.`],
    ["a NUL", "app\0.test"],
    ["a space", "app .test"],
    ["an asterisk", "*.example.test"],
    ["a slash", "app.test/x"],
    ["UTF-8", "b\u00c3\u00bccher.test"],
    ["Latin-1", "b\u00fccher.test"],
    ["a name for reverse look-ups", "1.0.0.127.in-addr.arpa"],
    ["one of IPv6, in capitals", "1.0.IP6.ARPA."],
    ["the zone itself", "in-addr.arpa"],
  ])("%s is unmatchable", (_what, text) => {
    expect(canonical(text)).toBeNull();
  });

  test("every byte that is no letter, digit, hyphen, underscore or dot is unmatchable", () => {
    for (let byte = 0; byte < 256; byte++) {
      const expected = /[A-Za-z0-9_.-]/.test(String.fromCharCode(byte));
      const result = canonicalName(Uint8Array.of(0x61, 0x2d, byte, 0x2d, 0x61));
      expect(result !== null, `${byte}`).toBe(expected);
    }
  });

  test("the canonical form of a canonical form is itself, and spelling does not matter", () => {
    fc.assert(
      fc.property(name, (text) => {
        const result = canonical(text);
        expect(canonical(text.toUpperCase())).toBe(result);
        expect(canonical(`${text}.`)).toBe(result);
        if (result !== null) expect(canonical(result)).toBe(result);
      }),
    );
  });

  test("no bytes make it throw, and what it returns is what the bytes say", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        const result = canonicalName(input);
        if (result === null) return;
        expect(result).toBe(
          String.fromCharCode(...input)
            .toLowerCase()
            .replace(/\.$/, ""),
        );
      }),
    );
  });
});

describe("parseHostname", () => {
  test("takes a name or a wildcard, in canonical form", () => {
    expect(parseHostname("API.Example.test.")).toEqual({
      ok: true,
      hostname: "api.example.test",
      name: "api.example.test",
      wildcard: false,
    });
    expect(parseHostname("*.Example.test")).toEqual({
      ok: true,
      hostname: "*.example.test",
      name: "example.test",
      wildcard: true,
    });
  });

  test.each([
    ["*", "bad_wildcard"],
    ["*.*.test", "bad_wildcard"],
    ["a.*.test", "bad_wildcard"],
    ["*a.test", "bad_wildcard"],
    ["a*", "bad_wildcard"],
    ["*.", "unmatchable_name"],
    ["", "unmatchable_name"],
    ["192.0.2.1", "unmatchable_name"],
    ["*.1", "unmatchable_name"],
    ["app.test:443", "unmatchable_name"],
    ["app..test", "unmatchable_name"],
    ["a b.test", "unmatchable_name"],
    [`${label63}a.test`, "unmatchable_name"],
    [`${name253}b`, "unmatchable_name"],
    [`*.${name253}`, "unmatchable_name"],
    ["x.in-addr.arpa", "unmatchable_name"],
    ["b\u00fccher.test", "not_ascii"],
    ["\u212aelvin.test", "not_ascii"],
    ["app\uff0etest", "not_ascii"],
    ["*.b\u00fccher.test", "not_ascii"],
    ["\u00fc".repeat(300), "not_ascii"],
  ])("refuses %s as %s, and says why", (text, code) => {
    const result = parseHostname(text);
    expect(result).toMatchObject({ ok: false, code });
    expect(result.ok ? "" : result.detail).toMatch(/\.$/);
  });

  test("suggests the A-label form of other scripts, wildcards included", () => {
    expect(parseHostname("b\u00fccher.test")).toMatchObject({
      detail: expect.stringContaining(" xn--bcher-kva.test:"),
    });
    expect(parseHostname("*.b\u00fccher.test")).toMatchObject({
      detail: expect.stringContaining(" *.xn--bcher-kva.test:"),
    });
  });
});

describe("nameCovers", () => {
  const exact = { name: "example.test", scope: "exact" } as const;
  const tree = { name: "example.test", scope: "tree" } as const;

  test("an exact domain covers its name alone", () => {
    expect(nameCovers(exact, "example.test")).toBe(true);
    for (const hostname of ["*.example.test", "a.example.test", "test", "xexample.test"]) {
      expect(nameCovers(exact, hostname)).toBe(false);
    }
  });

  test("a tree covers its name, all below it, and wildcards in it", () => {
    for (const hostname of [
      "example.test",
      "*.example.test",
      "a.example.test",
      "*.a.example.test",
      "a.b.example.test",
    ]) {
      expect(nameCovers(tree, hostname)).toBe(true);
    }
    for (const hostname of ["test", "*.test", "xexample.test", "*.xexample.test", "example.test.other"]) {
      expect(nameCovers(tree, hostname)).toBe(false);
    }
  });
});
