// The criteria of a route in the one form in which two that mean the same are the same. The database keeps one route for a hostname
// and a form, and an edge refuses a second; both ask here, so that they never differ about what "the same" is.
import { escapeBytes, unescapeBytes } from "./escaped-bytes.ts";
import { mergeCidrs } from "./merge-cidrs.ts";

/** All that are given must hold; an empty list is no criterion. */
export interface Criteria {
  /** Any of these is offered: bytes in the text of escapeBytes. */
  readonly alpn: readonly string[];
  /** The client is in one of these networks. */
  readonly sourceCidrs: readonly string[];
  /** ISO 3166-1 alpha-2. */
  readonly countries: readonly string[];
}

/**
 * Each list sorted and without duplicates: protocols by their bytes, networks merged, countries in upper case. Throws TypeError for a
 * protocol or network that is none.
 */
export function canonicalCriteria({ alpn, sourceCidrs, countries }: Criteria): Criteria {
  return {
    alpn: sortProtocols(alpn),
    sourceCidrs: mergeCidrs(sourceCidrs),
    countries: [...new Set(countries.map((country) => country.toUpperCase()))].toSorted(),
  };
}

/** Equal for criteria that mean the same, and for no others; "" for none. Printable ASCII, as long as the lists are. */
export function criteriaKey(criteria: Criteria | null): string {
  if (criteria === null) return "";
  const { alpn, sourceCidrs, countries } = canonicalCriteria(criteria);
  if (alpn.length === 0 && sourceCidrs.length === 0 && countries.length === 0) return "";
  return JSON.stringify({ alpn, sourceCidrs, countries });
}

/** By bytes and not by text: the escape of a low byte would sort behind the letters. */
function sortProtocols(texts: readonly string[]): string[] {
  const byKey = new Map<string, string>();
  for (const text of texts) {
    const bytes = unescapeBytes(text);
    if (bytes === null) throw new TypeError(`Not a protocol: ${text}`);
    byKey.set(String.fromCharCode(...bytes), escapeBytes(bytes));
  }
  return [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
}
