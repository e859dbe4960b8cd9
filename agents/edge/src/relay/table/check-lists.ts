// The lists of networks and countries that criteria and access share. What is not canonical is refused rather than repaired: a
// control plane and an edge that read one list differently would disagree about who is let in.
import { type Cidr, parseCidr } from "@helloway/routing/address";
import { mergeCidrs } from "@helloway/routing/merge-cidrs";
import { type Checked, refused, served } from "./refusal.ts";

/** Compiling a list is one step of a slice: more networks would hold the event loop for longer than a slice may. */
const NETWORKS_MAX = 1_000;
/** As many as the codes of ISO 3166-1 could be. */
const COUNTRIES_MAX = 26 * 26;

/** @param field its name in a refusal; @param code of that refusal. */
export function checkNetworks(field: string, texts: readonly string[], code: string): Checked<readonly Cidr[]> {
  if (texts.length > NETWORKS_MAX)
    return refused(code, `${field} has ${texts.length} of at most ${NETWORKS_MAX} networks.`);
  const cidrs: Cidr[] = [];
  for (const text of texts) {
    const cidr = parseCidr(text);
    if (cidr === null) return refused(code, `${field}: ${JSON.stringify(text)} is no network.`);
    cidrs.push(cidr);
  }
  const canonical = mergeCidrs(texts);
  if (canonical.length !== texts.length || canonical.some((text, i) => text !== texts[i]))
    return refused(code, `${field} is not canonical: ${canonical.slice(0, 4).join(", ")} ...`);
  return served(cidrs);
}

/** @param geo whether the edge has a database to find a client's country in. */
export function checkCountries(
  field: string,
  countries: readonly string[],
  code: string,
  geo: boolean,
): Checked<readonly string[]> {
  if (countries.length > COUNTRIES_MAX) return refused(code, `${field} has ${countries.length} countries.`);
  for (const [i, country] of countries.entries()) {
    if (!/^[A-Z]{2}$/.test(country)) return refused(code, `${field}: ${JSON.stringify(country)} is no country.`);
    if (i > 0 && countries[i - 1]! >= country) return refused(code, `${field} is not sorted, or lists one twice.`);
  }
  if (countries.length > 0 && !geo)
    return refused("geo_database_missing", `${field} needs a country database, and this edge has none.`);
  return served(countries);
}
