import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("no file of this package needs Node: it runs in browsers too", () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    const source = readFileSync(`${import.meta.dirname}/${file}`, "utf8");
    const imports = [...source.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map((match) => match[1]!);
    expect(
      imports.filter((specifier) => !specifier.startsWith("./")),
      file,
    ).toEqual([]);
    expect(source, file).not.toMatch(/\b(?:Buffer|process|require)\b[.(]/);
  }
});
