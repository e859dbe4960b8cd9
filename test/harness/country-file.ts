import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countryRecord, mmdbFile } from "./mmdb-file.ts";

export interface CountryFile extends AsyncDisposable {
  readonly path: string;
}

/** A country database on disk. @param countries ISO codes by CIDR. */
export async function writeCountryFile(countries: Readonly<Record<string, string>>): Promise<CountryFile> {
  const directory = await mkdtemp(join(tmpdir(), "helloway-countries-"));
  const path = join(directory, "countries.mmdb");
  const networks = Object.entries(countries).map(([cidr, code]) => [cidr, countryRecord(code)] as const);
  await writeFile(path, mmdbFile({ networks }));
  return { path, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}
