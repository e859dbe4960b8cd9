import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { duration, secret, socketAddress } from "./environment-fields.ts";
import { ConfigError, readEnvironment } from "./environment.ts";

const schema = z.object({
  HELLOWAY_HTTP_ADDRESS: socketAddress.prefault("127.0.0.1:8080"),
  HELLOWAY_DRAIN_TIMEOUT: duration.prefault("5m"),
  HELLOWAY_SECRET_KEY: secret.optional(),
  HELLOWAY_CONTROL_ADDRESS: socketAddress,
});
const good = { HELLOWAY_CONTROL_ADDRESS: "control.example.com:8081" };
const secrets = ["HELLOWAY_SECRET_KEY"];

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "helloway-env-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function problems(env: Record<string, string>): readonly string[] {
  try {
    readEnvironment(schema, env, { secrets });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("fills in defaults and parses what is given", () => {
  expect(readEnvironment(schema, { ...good, HELLOWAY_DRAIN_TIMEOUT: "1m30s" }, { secrets })).toEqual({
    HELLOWAY_HTTP_ADDRESS: { host: "127.0.0.1", port: 8080 },
    HELLOWAY_DRAIN_TIMEOUT: 90_000,
    HELLOWAY_CONTROL_ADDRESS: { host: "control.example.com", port: 8081 },
  });
});

test("an empty variable counts as unset", () => {
  const config = readEnvironment(schema, { ...good, HELLOWAY_DRAIN_TIMEOUT: "" }, { secrets });
  expect(config.HELLOWAY_DRAIN_TIMEOUT).toBe(300_000);
});

test("the result is frozen, inner objects included", () => {
  const config = readEnvironment(schema, good, { secrets });
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.HELLOWAY_HTTP_ADDRESS)).toBe(true);
});

test("lists every problem at once, each with its variable", () => {
  expect(problems({ HELLOWAY_HTTP_ADDRESS: "8080", HELLOWAY_DRAIN_TIMEOUT: "soon", HELLOWAY_DATA_DIRR: "x" })).toEqual([
    "HELLOWAY_DATA_DIRR is not a variable of Helloway: did you mean HELLOWAY_DATA_DIR?",
    'HELLOWAY_HTTP_ADDRESS: "8080" must be address:port, for example 127.0.0.1:8080 or [::1]:8080',
    'HELLOWAY_DRAIN_TIMEOUT: "soon" must be a duration, for example 500ms, 5s, 1m30s or 24h',
    "HELLOWAY_CONTROL_ADDRESS is required",
  ]);
});

test("a variable of another process of ours, and a stranger's, is no problem", () => {
  expect(problems({ ...good, HELLOWAY_EDGE_LISTEN: "0.0.0.0:443", HELLOWAY_MY_OWN_SCRIPT: "1", PATH: "/bin" })).toEqual(
    [],
  );
});

test("reads a secret from a file and strips the line end", () => {
  const path = join(directory, "key");
  writeFileSync(path, "hidden\n");
  const config = readEnvironment(schema, { ...good, HELLOWAY_SECRET_KEY_FILE: path }, { secrets });
  expect(config.HELLOWAY_SECRET_KEY).toBe("hidden");
});

test("a secret given twice, or in a file that cannot be read, is a problem that does not show it", () => {
  const path = join(directory, "absent");
  const both = problems({ ...good, HELLOWAY_SECRET_KEY: "hidden", HELLOWAY_SECRET_KEY_FILE: path });
  expect(both).toEqual(["HELLOWAY_SECRET_KEY and HELLOWAY_SECRET_KEY_FILE are both set: keep one of them"]);
  expect(problems({ ...good, HELLOWAY_SECRET_KEY_FILE: path })).toEqual([
    expect.stringContaining(`HELLOWAY_SECRET_KEY_FILE: cannot read ${path}`),
  ]);
});
