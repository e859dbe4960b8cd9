import { parseAddress, type Address } from "@helloway/routing/address";
import { countryRecord, mmdbFile, type MmdbOptions } from "@helloway/test/harness/mmdb-file";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCountryDatabase } from "./country-database.ts";

const networks: MmdbOptions["networks"] = [
  ["192.0.2.0/24", countryRecord("DE")],
  ["192.0.2.128/25", countryRecord("fr")],
  ["198.51.100.7/32", countryRecord("US")],
  ["203.0.113.0/24", { registered_country: { iso_code: "JP" } }],
  ["2001:db8::/32", countryRecord("DE")],
  ["2001:db8:ffff::/48", countryRecord("BR")],
];
const answers: [string, string | null][] = [
  ["192.0.2.1", "DE"],
  ["192.0.2.127", "DE"],
  ["192.0.2.128", "FR"],
  ["192.0.3.0", null],
  ["198.51.100.7", "US"],
  ["198.51.100.6", null],
  ["203.0.113.1", null],
  ["0.0.0.0", null],
  ["255.255.255.255", null],
  ["2001:db8::1", "DE"],
  ["2001:db8:ffff::1", "BR"],
  ["2001:db9::1", null],
  ["::1", null],
];

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

describe("a lookup", () => {
  describe.each([24, 28, 32] as const)("in a file of %s-bit records", (recordSize) => {
    const database = readCountryDatabase(mmdbFile({ networks, recordSize }));

    test.each(answers)("of %s finds %s", (text, country) => {
      expect(database.countryOf(address(text))).toBe(country);
      expect(database.failures).toBe(0);
    });
  });

  test("of an IPv6 address in a file for IPv4 finds nothing", () => {
    const database = readCountryDatabase(mmdbFile({ networks: [["32.0.0.0/4", countryRecord("DE")]], ipVersion: 4 }));
    expect(database.countryOf(address("32.1.13.184"))).toBe("DE");
    expect(database.countryOf(address("2001:db8::1"))).toBeNull();
  });

  test("finds the country in the larger records of a city file", () => {
    const city = { city: { names: { en: "Berlin" } }, country: { iso_code: "DE" }, location: { accuracy_radius: 5 } };
    const database = readCountryDatabase(mmdbFile({ networks: [["192.0.2.0/24", city]], type: "Test-City" }));
    expect(database.countryOf(address("192.0.2.1"))).toBe("DE");
  });

  test("takes what is no code of two letters for unknown", () => {
    const strange = ["DEU", "", "1A", "D"].map((code, i) => [`10.0.${i}.0/24`, countryRecord(code)] as const);
    const database = readCountryDatabase(mmdbFile({ networks: [...networks, ...strange] }));
    for (let i = 0; i < strange.length; i++) expect(database.countryOf(address(`10.0.${i}.1`))).toBeNull();
  });

  test("is right however many records there are, and again", () => {
    const codeOf = (i: number) => String.fromCharCode(65 + (Math.floor(i / 26) % 26), 65 + (i % 26));
    const many = Array.from({ length: 3_000 }, (_, i) => i);
    const database = readCountryDatabase(
      mmdbFile({
        networks: many.map((i) => [`10.${i >> 8}.${i & 255}.0/24`, countryRecord(codeOf(i))]),
        recordSize: 28,
      }),
    );
    for (const i of [...many, ...many]) {
      expect(database.countryOf(address(`10.${i >> 8}.${i & 255}.9`))).toBe(codeOf(i));
    }
  });
});

test("a file says what it is and when it was built", () => {
  const file = mmdbFile({ networks, type: "GeoLite2-Country" });
  expect(readCountryDatabase(file)).toMatchObject({ type: "GeoLite2-Country", builtAt: new Date(1_700_000_000_000) });
});

describe("refused with the reason is a file", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["that is empty", new Uint8Array(0), /no MMDB file/],
    ["of something else", Buffer.from("country,network\n".repeat(20_000)), /no MMDB file/],
    ["still compressed", Buffer.from("1f8b0800", "hex"), /unpack it/],
    ["of networks without countries", mmdbFile({ networks: [["10.0.0.0/8", { asn: 64_500 }]] }), /without countries/],
    ["without networks", mmdbFile({ networks: [] }), /without countries/],
    ["of a later format", mmdbFile({ networks, metadata: { binary_format_major_version: 3 } }), /version 3/],
    ["of another IP version", mmdbFile({ networks, metadata: { ip_version: 5 } }), /IP version/],
    ["of odd records", mmdbFile({ networks, metadata: { record_size: 26 } }), /damaged/],
    ["whose tree is longer than itself", mmdbFile({ networks, metadata: { node_count: 1_000_000 } }), /damaged/],
    ["that counts its nodes in words", mmdbFile({ networks, metadata: { node_count: "many" } }), /damaged/],
  ])("%s", (_, file, message) => expect(() => readCountryDatabase(file)).toThrow(message));
});

/** Whether the file is refused with a reason; one that is taken must answer whatever is asked. */
function refusedOrAnswering(file: Uint8Array): boolean {
  let database;
  try {
    database = readCountryDatabase(file);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/^it is .*\.$/s);
    return true;
  }
  for (const [text] of answers) {
    const country = database.countryOf(address(text));
    expect(country === null || /^[A-Z]{2}$/.test(country)).toBe(true);
  }
  return false;
}

describe("a damaged file", () => {
  const file = mmdbFile({ networks });

  test("that is cut off is refused, wherever it was", () => {
    for (let length = 0; length < file.length; length++) {
      expect(refusedOrAnswering(file.subarray(0, length)), `${length} bytes`).toBe(true);
    }
  });

  test("that lost its front is refused or answers", () => {
    for (let from = 1; from < file.length; from++) refusedOrAnswering(file.subarray(from));
  });

  test("is refused or answers, whichever bytes were changed", () => {
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const damaged = Buffer.from(file);
        for (const [at, byte] of changes) damaged[at] = byte;
        refusedOrAnswering(damaged);
      }),
      { numRuns: 2_000 },
    );
  });

  test("counts the lookups that it made fail, and answers the others", () => {
    const damaged = Buffer.from(file);
    // The record of 198.51.100.7: a text where the country was, longer than the file.
    const at = damaged.indexOf("Country US");
    damaged.fill(0x5f, at - 8, at + 2);
    const database = readCountryDatabase(damaged);
    expect(database.countryOf(address("198.51.100.7"))).toBeNull();
    expect(database.failures).toBe(1);
    expect(database.countryOf(address("192.0.2.1"))).toBe("DE");
    expect(database.failures).toBe(1);
  });
});
