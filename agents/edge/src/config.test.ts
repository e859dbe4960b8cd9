import { availableParallelism, hostname } from "node:os";
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
  expect(config).toMatchObject({ workers: availableParallelism(), proxyTrusted: [], geoDatabase: null });
  expect(Object.isFrozen(config)).toBe(true);
});

test("reads everything", () => {
  const config = readConfig({
    HELLOWAY_DATA_DIR: "/data",
    HELLOWAY_EDGE_LISTEN: "127.0.0.1:8443, [::1]:8443+proxy, fd:tls",
    LISTEN_FDS: "3",
    LISTEN_FDNAMES: "tls:other:tls",
    LISTEN_PID: String(process.pid),
    HELLOWAY_EDGE_PROXY_TRUSTED: "192.0.2.7, 10.1.2.3/8",
    HELLOWAY_GEO_DATABASE: "/data/country.mmdb",
    HELLOWAY_EDGE_ADDRESSES: "203.0.113.1,2001:DB8::1",
    HELLOWAY_EDGE_ADMIN: "[::1]:0",
    HELLOWAY_CONTROL_ADDRESS: "control.example.com:8081",
    HELLOWAY_JOIN_TOKEN_FILE: "/nowhere/token",
    HELLOWAY_EDGE_NAME: "edge-1",
    HELLOWAY_DRAIN_TIMEOUT: "0s",
    HELLOWAY_DNS_SERVERS: "9.9.9.9:53,[2620:fe::fe]:53",
    HELLOWAY_WORKERS: "3",
    HELLOWAY_LOG_LEVEL: "debug",
    HELLOWAY_LOG_FORMAT: "json",
  });
  expect(config).toEqual({
    dataDirectory: "/data",
    listen: [
      { address: "127.0.0.1", port: 8443, proxy: false },
      { address: "::1", port: 8443, proxy: true },
      { name: "tls", descriptors: [3, 5], proxy: false },
    ],
    workers: 3,
    proxyTrusted: ["192.0.2.7/32", "10.0.0.0/8"],
    geoDatabase: "/data/country.mmdb",
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
    HELLOWAY_EDGE_LISTEN: "fd:web,0.0.0.0:443+quic,localhost:443,nonsense",
    HELLOWAY_EDGE_ADDRESSES: "127.0.0.1,fe80::1,0.0.0.0,somewhere",
    HELLOWAY_EDGE_ADMIN: "localhost:1",
    HELLOWAY_EDGE_PROXY_TRUSTED: "10.0.0.0/33",
    HELLOWAY_CONTROL_ADDRESS: "control",
    HELLOWAY_EDGE_NAME: "Edge_1",
    HELLOWAY_DRAIN_TIMEOUT: "soon",
    HELLOWAY_DNS_SERVERS: "dns.example.com:53",
    HELLOWAY_WORKERS: "65",
    HELLOWAY_LOG_LEVEL: "loud",
    HELLOWAY_EDGE_LISTN: "typo",
  });
  for (const expected of [
    "HELLOWAY_EDGE_LISTEN: fd:web: no socket of this name was passed; no supervisor has passed any",
    'HELLOWAY_EDGE_LISTEN: "0.0.0.0:443+quic": only "+proxy" may follow a listener',
    'HELLOWAY_EDGE_LISTEN: "localhost" must be an IP address',
    'HELLOWAY_EDGE_LISTEN: "nonsense" must be address:port',
    'HELLOWAY_EDGE_ADDRESSES: "127.0.0.1" is a loopback',
    'HELLOWAY_EDGE_ADDRESSES: "fe80::1" is a loopback',
    'HELLOWAY_EDGE_ADDRESSES: "0.0.0.0" is a loopback',
    'HELLOWAY_EDGE_ADDRESSES: "somewhere" is not an IP address',
    'HELLOWAY_EDGE_ADMIN: "localhost" must be an IP address',
    'HELLOWAY_EDGE_PROXY_TRUSTED: "10.0.0.0/33" must be a network',
    'HELLOWAY_CONTROL_ADDRESS: "control" must be address:port',
    "HELLOWAY_EDGE_NAME: must be 1 to 253 of a-z",
    'HELLOWAY_DRAIN_TIMEOUT: "soon" must be a duration',
    'HELLOWAY_DNS_SERVERS: "dns.example.com" must be an IP address',
    'HELLOWAY_WORKERS: "65" must be a whole number from 1 to 64',
    "HELLOWAY_LOG_LEVEL: must be",
    "HELLOWAY_EDGE_LISTN is not a variable of Helloway: did you mean HELLOWAY_EDGE_LISTEN?",
  ]) {
    expect(
      problems.some((problem) => problem.startsWith(expected)),
      expected,
    ).toBe(true);
  }
  expect(problems).toHaveLength(17);
});

test("takes a join token from one place only", () => {
  expect(problemsOf({ HELLOWAY_JOIN_TOKEN: "a", HELLOWAY_JOIN_TOKEN_FILE: "b" })).toEqual([
    "HELLOWAY_JOIN_TOKEN and HELLOWAY_JOIN_TOKEN_FILE are both set: keep one of them",
  ]);
});

test("believes PROXY headers of nobody unless it is told of whom", () => {
  expect(problemsOf({ HELLOWAY_EDGE_LISTEN: "127.0.0.1:1+proxy" })).toEqual([
    "HELLOWAY_EDGE_PROXY_TRUSTED is required with a +proxy listener: the networks whose PROXY headers are believed",
  ]);
});

test("takes no descriptors that were passed to another process", () => {
  const env = { LISTEN_FDS: "1", LISTEN_FDNAMES: "tls", HELLOWAY_EDGE_LISTEN: "fd:tls" };
  expect(readConfig(env).listen).toEqual([{ name: "tls", descriptors: [3], proxy: false }]);
  expect(problemsOf({ ...env, LISTEN_PID: "1" })).toHaveLength(1);
});
