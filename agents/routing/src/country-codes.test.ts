import { expect, test } from "vitest";
import { countryCodesCount, isCountryCode } from "./country-codes.ts";

test("the codes of ISO 3166-1 are known, and XK", () => {
  expect(countryCodesCount).toBe(249 + 1);
  for (const code of ["NL", "DE", "GB", "US", "BQ", "SS", "XK"]) expect(isCountryCode(code), code).toBe(true);
});

test("what ISO 3166-1 does not assign is none: reserved, withdrawn, unknown and in lower case", () => {
  for (const code of ["UK", "EU", "AN", "SU", "ZZ", "AA", "nl", "NLD", ""])
    expect(isCountryCode(code), code).toBe(false);
});
