import { type Address, parseAddress } from "@helloway/routing/address";
import type { HelloFacts } from "@helloway/routing/hello-facts";
import type { OfferedProtocols } from "@helloway/routing/offered-protocols";
import type { CountryDatabase } from "../geo/country-database.ts";
import type { ParsedHello } from "../hello/hello.ts";

/** What a decision may ask of a client. Address and country are made when asked for: most routes ask for neither. */
export class ClientFacts implements HelloFacts {
  readonly serverName: Uint8Array | null;
  readonly alpn: OfferedProtocols;
  readonly versions: readonly number[];
  readonly #address: string;
  readonly #countries: CountryDatabase | null;
  #source: Address | null = null;

  /** @param address the client's, unmapped. @param countries null: there is no database. */
  constructor(hello: ParsedHello, address: string, countries: CountryDatabase | null) {
    this.serverName = hello.serverName;
    this.alpn = hello.alpn;
    this.versions = hello.versions;
    this.#address = address;
    this.#countries = countries;
  }

  source(): Address {
    const zone = this.#address.indexOf("%");
    this.#source ??= parseAddress(zone === -1 ? this.#address : this.#address.slice(0, zone));
    if (this.#source === null) throw new Error(`${this.#address} is no address of a client`);
    return this.#source;
  }

  country(): string | null {
    return this.#countries?.countryOf(this.source()) ?? null;
  }
}
