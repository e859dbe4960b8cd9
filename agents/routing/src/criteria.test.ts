import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalCriteria, type Criteria, criteriaKey } from "./criteria.ts";

const none: Criteria = { alpn: [], sourceCidrs: [], countries: [] };

test("criteria are sorted, merged and written in one way", () => {
  const criteria = {
    alpn: ["http/1.1", "h2", "\\x68\\x32", "\\x0A\\x0a"],
    sourceCidrs: ["2001:db8::/32", "10.128.0.0/9", "10.1.2.3/9"],
    countries: ["nl", "DE", "NL"],
  };
  expect(canonicalCriteria(criteria)).toEqual({
    alpn: ["\\x0a\\x0a", "h2", "http/1.1"],
    sourceCidrs: ["10.0.0.0/8", "2001:db8::/32"],
    countries: ["DE", "NL"],
  });
});

test("no criteria have the empty key", () => {
  expect(criteriaKey(null)).toBe("");
  expect(criteriaKey(none)).toBe("");
  expect(criteriaKey({ ...none, countries: ["NL"] })).not.toBe("");
});

test("what is no protocol or network is not taken", () => {
  expect(() => canonicalCriteria({ ...none, alpn: ["é"] })).toThrow(TypeError);
  expect(() => criteriaKey({ ...none, sourceCidrs: ["here"] })).toThrow(TypeError);
});

const protocols = ["h2", "http/1.1", "a,b", 'a","b', "a", "b", "\\x00", "\\x5c"];
const networks = ["10.0.0.0/9", "10.128.0.0/9", "192.0.2.0/24", "2001:db8::/33", "2001:db8:8000::/33"];
const countries = ["DE", "FR", "NL"];
const criteria = fc.record({
  alpn: fc.subarray(protocols),
  sourceCidrs: fc.subarray(networks),
  countries: fc.subarray(countries),
});
const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  new Set([...a, ...b]).size === a.length && a.length === b.length;

test("two keys are equal exactly when the criteria are the same sets", () => {
  // No list of these networks covers what another one does, so being the same sets of texts is meaning the same.
  fc.assert(
    fc.property(criteria, criteria, (a, b) => {
      const same =
        sameSet(a.alpn, b.alpn) && sameSet(a.sourceCidrs, b.sourceCidrs) && sameSet(a.countries, b.countries);
      expect(criteriaKey(a) === criteriaKey(b)).toBe(same);
    }),
  );
});

test("order, repetition and spelling do not change a key", () => {
  fc.assert(
    fc.property(criteria, (given) => {
      const respelled = {
        alpn: [...given.alpn, ...given.alpn].toReversed(),
        sourceCidrs: [...given.sourceCidrs, ...given.sourceCidrs].toReversed().map((text) => text.toUpperCase()),
        countries: given.countries.toReversed().map((country) => country.toLowerCase()),
      };
      expect(criteriaKey(respelled)).toBe(criteriaKey(given));
      expect(canonicalCriteria(canonicalCriteria(given))).toEqual(canonicalCriteria(given));
    }),
  );
});
