import { parseAddress, parseCidr } from "@helloway/routing/address";
import { PrefixTable } from "@helloway/routing/prefix-table";

/** Who may say that a connection is somebody else's. */
export class TrustedProxies {
  readonly #networks: PrefixTable<true>;

  /** @param cidrs checked before: throws a TypeError for what is none. */
  constructor(cidrs: readonly string[]) {
    this.#networks = new PrefixTable(
      cidrs.map((text) => {
        const cidr = parseCidr(text);
        if (cidr === null) throw new TypeError(`${text} is no network`);
        return [cidr, true] as const;
      }),
    );
  }

  /** @param address unmapped; a zone is not looked at. */
  has(address: string): boolean {
    const zone = address.indexOf("%");
    const parsed = parseAddress(zone === -1 ? address : address.slice(0, zone));
    return parsed !== null && this.#networks.lookup(parsed) === true;
  }
}
