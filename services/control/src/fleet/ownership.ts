import { and, asc, eq, inArray, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { nameCovers } from "@helloway/routing/name";
import type { Db } from "../db/database.ts";
import { domains } from "../db/schema/teams.ts";

export type DomainRow = typeof domains.$inferSelect;

/**
 * The verified domain that decides whose a hostname is: the innermost one, of any team, that covers it. Absent: nobody's.
 * Hold the ownership lock to rely on the answer.
 * @param hostnames canonical, wildcards included.
 * @param options.except id of a domain that is to be taken for gone.
 */
export async function innermostDomains(
  db: Db,
  hostnames: readonly string[],
  options: { except?: string } = {},
): Promise<Map<string, DomainRow>> {
  const names = [...new Set(hostnames.flatMap((hostname) => selfAndAncestors(withoutWildcard(hostname))))];
  const found = new Map<string, DomainRow>();
  if (names.length === 0) return found;
  const rows = await db
    .select()
    .from(domains)
    .where(and(eq(domains.state, "verified"), inArray(domains.name, names)));
  const byName = new Map(rows.filter(({ id }) => id !== options.except).map((row) => [row.name, row]));
  for (const hostname of hostnames) {
    for (const name of selfAndAncestors(withoutWildcard(hostname))) {
      const domain = byName.get(name);
      if (domain === undefined || !nameCovers(domain, hostname)) continue;
      found.set(hostname, domain);
      break;
    }
  }
  return found;
}

/** Verified domains at and below the names, by name. */
export async function domainsWithin(db: Db, names: readonly string[]): Promise<DomainRow[]> {
  const rows: DomainRow[] = [];
  for (const name of new Set(names)) {
    rows.push(
      ...(await db
        .select()
        .from(domains)
        .where(and(eq(domains.state, "verified"), isAtOrBelow(domains.name, name)))
        .orderBy(asc(domains.name))),
    );
  }
  return rows;
}

/** SQL: the column holds the name itself or one below it. Uses the index over the reversed column. */
export function isAtOrBelow(column: PgColumn, name: string): SQL {
  const reversed = [...name].toReversed().join("");
  // An underscore in a name is a name's, not LIKE's.
  const pattern = `${reversed.replaceAll("_", "\\_")}.%`;
  return sql`(reverse(${column}) = ${reversed} or reverse(${column}) like ${pattern})`;
}

/** "a.b.c" -> "a.b.c", "b.c", "c": outward. */
export function selfAndAncestors(name: string): string[] {
  const labels = name.split(".");
  return labels.map((_, i) => labels.slice(i).join("."));
}

/** "*.example.com" -> "example.com"; other hostnames as they are. */
export function withoutWildcard(hostname: string): string {
  return hostname.startsWith("*.") ? hostname.slice(2) : hostname;
}
