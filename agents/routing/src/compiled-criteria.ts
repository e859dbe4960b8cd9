import type { Address, Cidr } from "./address.ts";
import type { HelloFacts } from "./hello-facts.ts";
import type { OfferedProtocols } from "./offered-protocols.ts";
import { PrefixTable } from "./prefix-table.ts";

/** So often the offers are walked for a protocol; when more are asked for, an index of the offers costs less. */
const WALKS_MAX = 16;

/** The criteria of one route in the form in which connections are held against them. All that are given must hold. */
export interface CompiledCriteria {
  /** One character a byte (latin1); null: not a criterion. */
  readonly alpn: ReadonlySet<string> | null;
  /** Network to the length of its prefix; null: not a criterion. */
  readonly sources: PrefixTable<number> | null;
  /** null: not a criterion. */
  readonly countries: ReadonlySet<string> | null;
}

/** Empty lists are no criteria; null: there is none at all. */
export function compileCriteria(criteria: {
  alpn: readonly Uint8Array[];
  sourceCidrs: readonly Cidr[];
  countries: readonly string[];
}): CompiledCriteria | null {
  const { alpn, sourceCidrs, countries } = criteria;
  if (alpn.length === 0 && sourceCidrs.length === 0 && countries.length === 0) return null;
  return {
    alpn: alpn.length === 0 ? null : new Set(alpn.map(protocolText)),
    sources: sourceCidrs.length === 0 ? null : new PrefixTable(sourceCidrs.map((each) => [each, each.prefixLength])),
    countries: countries.length === 0 ? null : new Set(countries),
  };
}

/** A protocol's bytes as a text that can be a key: one character a byte. */
export function protocolText(protocol: Uint8Array): string {
  let text = "";
  for (const byte of protocol) text += String.fromCharCode(byte);
  return text;
}

/**
 * One client as criteria see it. Each fact is asked for at most once however many routes there are. A hello may offer thousands of
 * protocols, and a hostname may have many routes; only where both meet an index is made, once, of short life.
 */
export class CriteriaClient {
  readonly #facts: HelloFacts;
  /** Protocol to its place among the offers; null: not made. */
  #places: Map<string, number> | null = null;
  #walks = 0;
  #source: Address | null = null;
  #country: string | null | undefined;

  constructor(facts: HelloFacts) {
    this.#facts = facts;
  }

  /** The place of the earliest offer that is listed; -1: none is. */
  firstOffer(listed: ReadonlySet<string>): number {
    let first = -1;
    for (const protocol of listed) {
      const place = this.#placeOf(protocol);
      if (place !== -1 && (first === -1 || place < first)) first = place;
    }
    return first;
  }

  #placeOf(protocol: string): number {
    if (this.#places === null && ++this.#walks <= WALKS_MAX) return this.#facts.alpn.indexOf(protocol);
    return (this.#places ??= placesOf(this.#facts.alpn)).get(protocol) ?? -1;
  }

  /** The length of the longest prefix that the source is in; -1: it is in none. */
  longestPrefix(networks: PrefixTable<number>): number {
    return networks.lookup((this.#source ??= this.#facts.source())) ?? -1;
  }

  /** An unknown country is in no list. */
  isIn(countries: ReadonlySet<string>): boolean {
    if (this.#country === undefined) this.#country = this.#facts.country();
    return this.#country !== null && countries.has(this.#country);
  }
}

function placesOf(protocols: OfferedProtocols): Map<string, number> {
  const places = new Map<string, number>();
  let place = 0;
  for (const protocol of protocols) {
    const text = protocolText(protocol);
    if (!places.has(text)) places.set(text, place);
    place++;
  }
  return places;
}
