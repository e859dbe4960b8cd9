import { ShardedMap } from "@helloway/routing/sharded-map";

/** Uids of routes that are refused, and who of them claims a hostname: what an edit does not reach is not looked at. */
export class RefusedRoutes {
  readonly #claims = new ShardedMap<readonly string[]>();
  readonly #byHostname = new ShardedMap<Set<string>>();

  has(uid: string): boolean {
    return this.#claims.has(uid);
  }

  /** @param hostnames that the route has a right to; of a route that is there already, the same as before. */
  add(uid: string, hostnames: readonly string[]): void {
    if (this.#claims.has(uid)) return;
    this.#claims.set(uid, hostnames);
    for (const hostname of hostnames) {
      const claimants = this.#byHostname.get(hostname);
      if (claimants) claimants.add(uid);
      else this.#byHostname.set(hostname, new Set([uid]));
    }
  }

  delete(uid: string): void {
    const hostnames = this.#claims.get(uid);
    if (!hostnames) return;
    this.#claims.delete(uid);
    for (const hostname of hostnames) {
      const claimants = this.#byHostname.get(hostname);
      claimants?.delete(uid);
      if (claimants?.size === 0) this.#byHostname.delete(hostname);
    }
  }

  uids(): Iterable<string> {
    return this.#claims.keys();
  }

  claiming(hostname: string): Iterable<string> {
    return this.#byHostname.get(hostname) ?? [];
  }
}
