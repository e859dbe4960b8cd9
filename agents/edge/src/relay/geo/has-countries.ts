import { addressOf } from "@helloway/routing/address";
import type { CountryResponse, Reader } from "mmdb-lib";
import { countryIn } from "./country-in.ts";

/** A file of countries names one within a few hundred networks; one of something else would be walked to its end. */
const NETWORKS_MAX = 16_384;

/** Whether any of the file's first networks has a country. What a file calls its type is free text, so it is not asked. */
export function hasCountries(reader: Reader<CountryResponse>): boolean {
  const bits = reader.metadata.ipVersion === 4 ? 32 : 128;
  let start = 0n;
  for (let networks = 0; networks < NETWORKS_MAX && start >> BigInt(bits) === 0n; networks++) {
    const [record, prefixLength] = reader.getWithPrefixLength(textOf(start, bits));
    if (countryIn(record) !== null) return true;
    start += 1n << BigInt(bits - prefixLength);
  }
  return false;
}

function textOf(value: bigint, bits: number): string {
  return addressOf(Buffer.from(value.toString(16).padStart(bits / 4, "0"), "hex")).text;
}
