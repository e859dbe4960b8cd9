import { hostname } from "node:os";
import { ConfigError } from "@helloway/runtime/environment";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { edgeNameOfHost } from "./control/edge-name.ts";

const problemsOf = (env: Record<string, string>): readonly string[] => {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test("works with nothing set", () => {
  const config = readConfig({});
  expect(config).toMatchObject({
    dataDirectory: ".helloway",
    admin: { address: "127.0.0.1", port: 9443 },
    addresses: null,
    control: null,
    joinToken: null,
    edgeName: edgeNameOfHost(hostname()),
    drainTimeoutMs: 300_000,
    dnsServers: null,
    logLevel: "info",
  });
  expect(config.listen[0]).toEqual({ address: "0.0.0.0", port: 443 });
  expect(Object.isFrozen(config)).toBe(true);
});

test("reads everything", () => {
  const config = readConfig({
    HELLOWAY_DATA_DIR: "/data",
    HELLOWAY_EDGE_LISTEN: "127.0.0.1:8443, [::1]:8443",
    HELLOWAY_EDGE_ADDRESSES: "203.0.113.1,2001:DB8::1",
    HELLOWAY_EDGE_ADMIN: "[::1]:0",
    HELLOWAY_CONTROL_ADDRESS: "control.example.com:8081",
    HELLOWAY_JOIN_TOKEN_FILE: "/nowhere/token",
    HELLOWAY_EDGE_NAME: "edge-1",
    HELLOWAY_DRAIN_TIMEOUT: "0s",
    HELLOWAY_DNS_SERVERS: "9.9.9.9:53,[2620:fe::fe]:53",
    HELLOWAY_WORKERS: "1",
    HELLOWAY_LOG_LEVEL: "debug",
    HELLOWAY_LOG_FORMAT: "json",
  });
  expect(config).toEqual({
    dataDirectory: "/data",
    listen: [
      { address: "127.0.0.1", port: 8443 },
      { address: "::1", port: 8443 },
    ],
    addresses: ["203.0.113.1", "2001:db8::1"],
    admin: { address: "::1", port: 0 },
    control: { host: "control.example.com", port: 8081 },
    joinToken: { file: "/nowhere/token" },
    edgeName: "edge-1",
    drainTimeoutMs: 0,
    dnsServers: ["9.9.9.9:53", "[2620:fe::fe]:53"],
    logLevel: "debug",
    logFormat: "json",
  });
});

test("names every problem at once", () => {
  const problems = problemsOf({
    HELLOWAY_EDGE_LISTEN: "fd:web,0.0.0.0:443+proxy,localhost:443,nonsense",
    HELLOWAY_EDGE_ADDRESSES: "127.0.0.1,fe80::1,0.0.0.0,somewhere",
    HELLOWAY_EDGE_ADMIN: "localhost:1",
    HELLOWAY_EDGE_PROXY_TRUSTED: "10.0.0.0/8",
    HELLOWAY_CONTROL_ADDRESS: "control",
    HELLOWAY_EDGE_NAME: "Edge_1",
    HELLOWAY_DRAIN_TIMEOUT: "soon",
    HELLOWAY_DNS_SERVERS: "dns.example.com:53",
    HELLOWAY_WORKERS: "4",
    HELLOWAY_GEO_DATABASE: "/country.mmdb",
    HELLOWAY_LOG_LEVEL: "loud",
    HELLOWAY_EDGE_LISTN: "typo",
  });
  for (const expected of [
    "HELLOWAY_EDGE_LISTEN: fd:web: sockets passed by a supervisor are not supported yet",
    "HELLOWAY_EDGE_LISTEN: 0.0.0.0:443+proxy: the PROXY protocol on a listener is not supported yet",
    'HELLOWAY_EDGE_LISTEN: "localhost" must be an IP address',
    'HELLOWAY_EDGE_LISTEN: "nonsense" must be address:port',
    'HELLOWAY_EDGE_ADDRESSES: "127.0.0.1" is a loopback',
    'HELLOWAY_EDGE_ADDRESSES: "fe80::1" is a loopback',
    'HELLOWAY_EDGE_ADDRESSES: "0.0.0.0" is a loopback',
    'HELLOWAY_EDGE_ADDRESSES: "somewhere" is not an IP address',
    'HELLOWAY_EDGE_ADMIN: "localhost" must be an IP address',
    "HELLOWAY_EDGE_PROXY_TRUSTED: the PROXY protocol on listeners is not supported yet",
    'HELLOWAY_CONTROL_ADDRESS: "control" must be address:port',
    "HELLOWAY_EDGE_NAME: must be 1 to 253 of a-z",
    'HELLOWAY_DRAIN_TIMEOUT: "soon" must be a duration',
    'HELLOWAY_DNS_SERVERS: "dns.example.com" must be an IP address',
    "HELLOWAY_WORKERS: more than one relay worker is not supported yet",
    "HELLOWAY_GEO_DATABASE: a country database is not supported yet",
    "HELLOWAY_LOG_LEVEL: must be",
    "HELLOWAY_EDGE_LISTN is not a variable of Helloway: did you mean HELLOWAY_EDGE_LISTEN?",
  ]) {
    expect(
      problems.some((problem) => problem.startsWith(expected)),
      expected,
    ).toBe(true);
  }
  expect(problems).toHaveLength(18);
});

test("takes a join token from one place only", () => {
  expect(problemsOf({ HELLOWAY_JOIN_TOKEN: "a", HELLOWAY_JOIN_TOKEN_FILE: "b" })).toEqual([
    "HELLOWAY_JOIN_TOKEN and HELLOWAY_JOIN_TOKEN_FILE are both set: keep one of them",
  ]);
});
