import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";

const run = promisify(execFile);
const guard = new URL("../../../tools/require-node.cjs", import.meta.url);

/** The guard as a Node of that version would run it. */
function guardOn(version: string): { said: string; code: number | null } {
  let said = "";
  let code: number | null = null;
  const fake = {
    versions: { node: version },
    stderr: { write: (text: string) => void (said += text) },
    exit: (status: number) => void (code = status),
  };
  runInNewContext(readFileSync(guard, "utf8"), { process: fake });
  return { said, code };
}

test.each(["12.22.12", "20.19.0", "23.11.0"])("Node %s gets one clear line and exit code 1", (version) => {
  const { said, code } = guardOn(version);
  expect(code).toBe(1);
  expect(said).toMatch(
    new RegExp(`^Helloway needs Node 24 or later and this is Node ${version.replaceAll(".", "\\.")}\\.[^\n]*\n$`),
  );
});

test("Node 24 and later pass without a word", () => {
  for (const version of ["24.0.0", "26.1.0"]) expect(guardOn(version)).toEqual({ said: "", code: null });
});

test("what an old Node has to read is written for it: no syntax of after 2017", () => {
  for (const file of [guard, new URL("../bin/helloway.js", import.meta.url)]) {
    expect(readFileSync(file, "utf8")).not.toMatch(/\?\.|\?\?|^import |^export |#\w|\bawait\b/m);
  }
});

test("npx helloway in the repository runs on the Node that npm ci brought, whatever the machine's is", async () => {
  const root = new URL("../../../", import.meta.url);
  const { stdout } = await run("npx", ["--no-install", "helloway", "--version"], { cwd: root });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
