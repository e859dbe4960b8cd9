import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const bin = fileURLToPath(new URL("../bin/helloway.js", import.meta.url));
const run = promisify(execFile);

async function helloway(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await run(process.execPath, [bin, ...args])) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

test("--help lists every command on standard output", async () => {
  const { code, stdout } = await helloway("--help");
  expect(code).toBe(0);
  for (const command of ["dev", "control", "agent", "demo-backends"])
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
});

test("--version prints the version alone", async () => {
  expect(await helloway("--version")).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    stderr: "",
  });
});

test.each([[[]], [["devv"]], [["dev", "extra"]], [["dev", "--bogus"]]])(
  "wrong usage (%j) says so on standard error and exits with 64",
  async (args) => {
    const { code, stdout, stderr } = await helloway(...args);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).not.toBe("");
  },
);

test("a slip in a command's name gets a suggestion", async () => {
  expect((await helloway("cntrol")).stderr).toContain("Did you mean control?");
});
