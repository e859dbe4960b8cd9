// Who may use a route. Denied if deny or denyCountries holds; else, where allow or allowCountries is given, admitted only if one of
// them holds; an unknown country is in no list. Whoever is admitted must also offer a version that is high enough.
import type { Cidr } from "./address.ts";
import type { HelloFacts } from "./hello-facts.ts";
import { PrefixTable } from "./prefix-table.ts";

export interface AccessLists {
  allow: readonly Cidr[];
  deny: readonly Cidr[];
  /** ISO 3166-1 alpha-2, upper case. */
  allowCountries: readonly string[];
  denyCountries: readonly string[];
  /** The highest offered version must be at least this: 0x0301 to 0x0304; 0: any. */
  minTlsVersion: number;
}

/** null: the list is empty. */
export interface CompiledAccess {
  readonly allow: PrefixTable<true> | null;
  readonly deny: PrefixTable<true> | null;
  readonly allowCountries: ReadonlySet<string> | null;
  readonly denyCountries: ReadonlySet<string> | null;
  readonly minTlsVersion: number;
}

export type AccessVerdict = "admitted" | "denied" | "tls_version";

/** null: everybody. */
export function compileAccess(lists: AccessLists): CompiledAccess | null {
  const { allow, deny, allowCountries, denyCountries, minTlsVersion } = lists;
  const isOpen = [allow, deny, allowCountries, denyCountries].every((list) => list.length === 0);
  if (isOpen && minTlsVersion === 0) return null;
  return {
    allow: networks(allow),
    deny: networks(deny),
    allowCountries: allowCountries.length === 0 ? null : new Set(allowCountries),
    denyCountries: denyCountries.length === 0 ? null : new Set(denyCountries),
    minTlsVersion,
  };
}

/** Whom the lists deny is told so first: what the route wants of the others is not for them to know. */
export function checkAccess(access: CompiledAccess, facts: HelloFacts): AccessVerdict {
  if (!passesLists(access, facts)) return "denied";
  return highestVersion(facts.versions) < access.minTlsVersion ? "tls_version" : "admitted";
}

function passesLists(access: CompiledAccess, facts: HelloFacts): boolean {
  const { allow, deny, allowCountries, denyCountries } = access;
  const source = allow === null && deny === null ? null : facts.source();
  const country = allowCountries === null && denyCountries === null ? null : facts.country();
  const isIn = (list: PrefixTable<true> | null): boolean => source !== null && list?.lookup(source) === true;
  const isOf = (list: ReadonlySet<string> | null): boolean => country !== null && list?.has(country) === true;
  if (isIn(deny) || isOf(denyCountries)) return false;
  return (allow === null && allowCountries === null) || isIn(allow) || isOf(allowCountries);
}

/**
 * 0: none. Only versions of the form 3.x count: those of drafts (7f.xx) and of DTLS (fe.xx) are greater numbers, and would let
 * through a client whose highest version is an old one.
 */
function highestVersion(versions: readonly number[]): number {
  let highest = 0;
  for (const version of versions) if (version >> 8 === 3 && version > highest) highest = version;
  return highest;
}

function networks(cidrs: readonly Cidr[]): PrefixTable<true> | null {
  return cidrs.length === 0 ? null : new PrefixTable(cidrs.map((cidr) => [cidr, true]));
}
