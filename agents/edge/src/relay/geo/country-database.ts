// Countries of addresses, from a file that the operator brings (MMDB: GeoLite2-Country, DB-IP Country Lite, and City files,
// which say the country too).
//
// Invariants: a file that could be read once answers for ever. What in it cannot be decoded is an unknown country, and counted.
// It is the operator's file: damage does no harm, but one that was made to take long would.
import type { Address } from "@helloway/routing/address";
import { Reader, type CountryResponse } from "mmdb-lib";
import { BoundedCache } from "./bounded-cache.ts";
import { countryIn } from "./country-in.ts";
import { hasCountries } from "./has-countries.ts";

/** A country file has some hundred records; of a city file, these are the ones in use. */
const RECORDS_CACHED_MAX = 1_024;
/** The format's own limit: its metadata stands within the last 128 KiB. */
const METADATA_BYTES_MAX = 131_072;
const METADATA_MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
const SEPARATOR_BYTES = 16;

export interface CountryDatabase {
  /** Upper-case ISO 3166-1 alpha-2; null: not known. Never throws. @param address unmapped. */
  countryOf(address: Pick<Address, "family" | "text">): string | null;
  /** Lookups so far that the file's contents made fail. */
  readonly failures: number;
  /** The whole file. From openCountryDatabase() in shared memory: post it to a thread, and read it there. */
  readonly bytes: Uint8Array;
  /** What the file calls itself: "GeoLite2-Country". */
  readonly type: string;
  /** null: the file does not say. */
  readonly builtAt: Date | null;
}

/** @param bytes a whole file; kept, not copied. Throws an Error whose message says what is wrong with it ("it is ..."). */
export function readCountryDatabase(bytes: Uint8Array): CountryDatabase {
  const reader = readerOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const { ipVersion, buildEpoch } = reader.metadata;
  const type: unknown = reader.metadata.databaseType;
  let failures = 0;
  return {
    countryOf({ family, text }) {
      // A tree of IPv4 would take the first 32 bits of an IPv6 address for one of its own.
      if (family > ipVersion) return null;
      try {
        return countryIn(reader.get(text));
      } catch {
        failures++;
        return null;
      }
    },
    get failures() {
      return failures;
    },
    bytes,
    type: typeof type === "string" ? type : "without a type",
    builtAt: Number.isNaN(buildEpoch.getTime()) ? null : buildEpoch,
  };
}

function readerOf(file: Buffer): Reader<CountryResponse> {
  const markerInTail = file.subarray(-METADATA_BYTES_MAX).lastIndexOf(METADATA_MARKER);
  if (markerInTail === -1) {
    if (file[0] === 0x1f && file[1] === 0x8b) throw new Error("it is compressed: unpack it first.");
    throw new Error("it is no MMDB file, or not a whole one: it has no metadata at its end.");
  }
  const dataEnd = Math.max(0, file.length - METADATA_BYTES_MAX) + markerInTail;
  try {
    const reader = new Reader<CountryResponse>(file, { cache: new BoundedCache(RECORDS_CACHED_MAX) });
    const { binaryFormatMajorVersion, ipVersion, nodeCount, searchTreeSize } = reader.metadata;
    if (binaryFormatMajorVersion !== 2)
      throw new Error(`version ${binaryFormatMajorVersion} of the format is not known`);
    if (ipVersion !== 4 && ipVersion !== 6) throw new Error(`its IP version is ${String(ipVersion)}`);
    if (!Number.isSafeInteger(nodeCount)) throw new Error("its number of nodes is none");
    if (searchTreeSize + SEPARATOR_BYTES > dataEnd) throw new Error("its tree goes beyond its data");
    if (hasCountries(reader)) return reader;
  } catch (error) {
    throw new Error(`it is a damaged MMDB file: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
    });
  }
  throw new Error(
    "it is an MMDB file without countries; one with country.iso_code is needed (GeoLite2-Country, DB-IP).",
  );
}
