import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@helloway/runtime/environment";
import { expect, test } from "vitest";
import { readControlConfig } from "./config.ts";

const key = "k".repeat(32);

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readControlConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test("without any variable it is the embedded database on loopback", () => {
  expect(readControlConfig({})).toEqual({
    dataDirectory: ".helloway",
    databaseUrl: null,
    secretKey: null,
    http: { host: "127.0.0.1", port: 8080, tls: null, loopback: true, publicUrl: null },
    grpc: { host: "127.0.0.1", port: 8081, publicAddress: null },
    edgeCertificateLifetimeMs: 8_760 * 3_600_000,
    reportIntervalMs: 10_000,
    log: { level: "info", format: undefined },
  });
});

test("every problem is told at once", () => {
  const problems = problemsOf({
    DATABASE_URL: "mysql://x",
    HELLOWAY_HTTP_ADDRESS: "0.0.0.0:8080",
    HELLOWAY_GRPC_ADDRESS: "localhost:8081",
    HELLOWAY_EDGE_CERT_LIFETIME: "1m",
    HELLOWAY_REPORT_INTERVAL: "7s",
    HELLOWAY_HTTP_TLS_CERT: "/nowhere",
    HELLOWAY_TRUSTED_PROXIES: "10.0.0.0/8",
    HELLOWAY_GRPC_ADRESS: "127.0.0.1:1",
  }).join("\n");
  for (const name of [
    "DATABASE_URL",
    "HELLOWAY_SECRET_KEY is required",
    "HELLOWAY_PUBLIC_URL",
    "HELLOWAY_GRPC_ADDRESS",
    "HELLOWAY_EDGE_CERT_LIFETIME",
    "HELLOWAY_REPORT_INTERVAL",
    "HELLOWAY_HTTP_TLS_CERT",
    "HELLOWAY_HTTP_TLS_KEY",
    "HELLOWAY_TRUSTED_PROXIES",
    "HELLOWAY_GRPC_ADRESS",
  ]) {
    expect(problems).toContain(name);
  }
});

test("a non-loopback HTTP address needs an https URL, and only an https one", () => {
  const open = { HELLOWAY_HTTP_ADDRESS: "[::]:8080" };
  expect(problemsOf(open)).toHaveLength(1);
  expect(problemsOf({ ...open, HELLOWAY_PUBLIC_URL: "http://helloway.example" })).toHaveLength(1);
  expect(problemsOf({ ...open, HELLOWAY_PUBLIC_URL: "https://helloway.example" })).toEqual([]);
  for (const address of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"]) {
    expect(problemsOf({ HELLOWAY_HTTP_ADDRESS: address })).toEqual([]);
  }
});

test("secrets come from files as well, and no message repeats one", () => {
  const directory = mkdtempSync(join(tmpdir(), "hw-config-"));
  const path = join(directory, "key");
  writeFileSync(path, `${key},${key}\n`);
  const config = readControlConfig({ DATABASE_URL: "postgres://u@db/x", HELLOWAY_SECRET_KEY_FILE: path });
  expect(config).toMatchObject({ databaseUrl: "postgres://u@db/x", secretKey: `${key},${key}` });
  const problems = problemsOf({ DATABASE_URL: "hunter2", HELLOWAY_SECRET_KEY: `${key},hunter2` }).join("\n");
  expect(problems).toContain("HELLOWAY_SECRET_KEY");
  expect(problems).not.toContain("hunter2");
});

test("the address that join commands print is taken as given", () => {
  const config = readControlConfig({ HELLOWAY_GRPC_PUBLIC_ADDRESS: "control.example.com:443" });
  expect(config.grpc.publicAddress).toBe("control.example.com:443");
});
