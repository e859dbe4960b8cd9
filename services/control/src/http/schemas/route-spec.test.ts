import { describe, expect, test } from "vitest";
import { toProblems } from "../zod-problems.ts";
import { backendsMax } from "./backend.ts";
import { protocolsMax } from "./match.ts";
import { networksMax } from "./networks.ts";
import { hostnamesMax, printRouteSpec, routeSpecInput } from "./route-spec.ts";
import { routeWrite } from "./route.ts";

const minimal = {
  pool: "public",
  hostnames: ["api.example.com"],
  backends: [{ address: "192.0.2.1:443" }],
};

const printedDefaults = {
  match: null,
  balance: "roundRobin",
  proxyProtocol: "none",
  proxyTlvs: [],
  limits: null,
  access: null,
  onReject: "keep",
};

const everything = {
  ...minimal,
  match: {
    alpn: ["h2", "\\x68\\x32", "\\x0A\\x0a"],
    sourceCidrs: ["2001:DB8::1/32", "10.128.0.0/9", "::ffff:10.0.0.0/105", "10.1.0.0/16"],
    countries: ["nl", "DE", "NL"],
  },
  balance: "sourceHash",
  proxyProtocol: "v2",
  proxyTlvs: ["edge", "authority", "edge"],
  limits: { connections: 1000, newPerSecondPerSource: 5, bytesPerSecond: 1_048_576, mode: "observe" },
  access: { allow: ["192.0.3.0/24", "192.0.2.1/24"], denyCountries: ["gb", "FR"], minTlsVersion: "1.2" },
  onReject: "drop",
};

function problemsOf(input: unknown): string[] {
  const { error } = routeSpecInput.safeParse(input);
  return error === undefined ? [] : toProblems(error, input).map(({ pointer, code }) => `${pointer} ${code}`);
}

describe("a route's spec", () => {
  test("gets the defaults of the contract", () => {
    expect(routeSpecInput.parse(minimal)).toEqual({
      pool: "public",
      hostnames: ["api.example.com"],
      wildcardDepth: "any",
      backends: [{ address: "192.0.2.1:443", weight: 1, priority: 0 }],
      timeouts: { connectMs: 3000, idleMs: 600_000, halfClosedMs: 60_000, writeStallMs: 60_000, maxDurationMs: null },
    });
  });

  test("is stored in canonical form", () => {
    const spec = routeSpecInput.parse({
      pool: "public",
      hostnames: ["API.Example.com.", "*.EU.example.com"],
      wildcardDepth: "one",
      backends: [
        { address: "[2001:DB8:0::1]:443", weight: 7 },
        { address: "Backend.Example.NET:8443", priority: 1 },
      ],
      timeouts: { idle: "90s", maxDuration: "60m" },
    });
    expect(printRouteSpec(spec)).toEqual({
      pool: "public",
      hostnames: ["api.example.com", "*.eu.example.com"],
      wildcardDepth: "one",
      backends: [
        { address: "[2001:db8::1]:443", weight: 7, priority: 0 },
        { address: "backend.example.net:8443", weight: 1, priority: 1 },
      ],
      timeouts: { connect: "3s", idle: "1m30s", halfClosed: "1m", writeStall: "1m", maxDuration: "1h" },
      ...printedDefaults,
    });
  });

  test("has criteria, limits and access lists in one form, whatever they were written as", () => {
    const spec = routeSpecInput.parse(everything);
    expect(printRouteSpec(spec)).toMatchObject({
      match: { alpn: ["\\x0a\\x0a", "h2"], sourceCidrs: ["10.0.0.0/8", "2001:db8::/32"], countries: ["DE", "NL"] },
      balance: "sourceHash",
      proxyProtocol: "v2",
      proxyTlvs: ["authority", "edge"],
      limits: {
        connections: 1000,
        connectionsPerSource: null,
        newPerSecond: null,
        newPerSecondPerSource: 5,
        bytesPerSecond: "1MiB",
        mode: "observe",
      },
      access: {
        allow: ["192.0.2.0/23"],
        deny: [],
        allowCountries: [],
        denyCountries: ["FR", "GB"],
        minTlsVersion: "1.2",
      },
      onReject: "drop",
    });
  });

  test.each([
    ["with timeouts", { ...minimal, timeouts: { connect: "1500ms", maxDuration: null } }],
    ["with every field", everything],
  ])("%s as printed is accepted again and means the same", (_, input) => {
    const spec = routeSpecInput.parse(input);
    expect(routeSpecInput.parse(printRouteSpec(spec))).toEqual(spec);
  });

  test("is refused with every place that is wrong in criteria, limits and access lists", () => {
    expect(
      problemsOf({
        ...minimal,
        match: {
          alpn: ["", "é", "h2", "a\\b", "x".repeat(256), "\\x00".repeat(255), 1],
          sourceCidrs: ["10.0.0.1", "10.0.0.0/8", "public"],
          countries: ["UK", "nl", "NLD"],
          hostnames: [],
        },
        balance: "fastest",
        proxyProtocol: "v3",
        proxyTlvs: ["authority", "sni"],
        limits: {
          connections: 0,
          connectionsPerSource: 10_000_001,
          newPerSecond: 1.5,
          newPerSecondPerSource: "5",
          bytesPerSecond: "10MiBps",
          mode: "count",
        },
        access: { allow: ["10.0.0.0/33"], deny: "10.0.0.0/8", allowCountries: ["EU"], minTlsVersion: "1.4" },
        onReject: "delete",
      }),
    ).toEqual([
      "/balance not_allowed",
      "/proxyProtocol not_allowed",
      "/proxyTlvs/1 not_allowed",
      "/limits/connections too_small",
      "/limits/connectionsPerSource too_big",
      "/limits/newPerSecond wrong_type",
      "/limits/newPerSecondPerSource wrong_type",
      "/limits/bytesPerSecond bad_size",
      "/limits/mode not_allowed",
      "/access/allow/0 bad_cidr",
      "/access/deny wrong_type",
      "/access/allowCountries/0 unknown_country",
      "/access/minTlsVersion not_allowed",
      "/match/alpn/0 out_of_range",
      "/match/alpn/1 bad_alpn",
      "/match/alpn/3 bad_alpn",
      "/match/alpn/4 out_of_range",
      "/match/alpn/6 wrong_type",
      "/match/sourceCidrs/0 bad_cidr",
      "/match/sourceCidrs/2 bad_cidr",
      "/match/countries/0 unknown_country",
      "/match/countries/2 unknown_country",
      "/match/hostnames unknown_field",
      "/onReject not_allowed",
    ]);
  });

  test.each(["none", "v1"])("refuses TLVs with a PROXY header that has no room for them: %s", (proxyProtocol) => {
    expect(problemsOf({ ...minimal, proxyProtocol, proxyTlvs: ["authority"] })).toEqual(["/proxyTlvs not_allowed"]);
    expect(problemsOf({ ...minimal, proxyProtocol, proxyTlvs: [] })).toEqual([]);
  });

  test("is refused with every place that is wrong", () => {
    expect(
      problemsOf({
        pool: 7,
        hostnames: ["bücher.example", "1.2.3.4", "ok.example.com", "a.*.example"],
        wildcardDepth: "two",
        backends: [
          { address: "127.1:443", weight: 0 },
          { address: "192.0.2.1", priority: 101, wait: 1 },
          "192.0.2.1:443",
        ],
        timeouts: { connect: "1d", idle: 600, nope: "1s" },
        extra: true,
        "a/b": 1,
      }),
    ).toEqual([
      "/pool wrong_type",
      "/hostnames/0 not_ascii",
      "/hostnames/1 unmatchable_name",
      "/hostnames/3 bad_wildcard",
      "/wildcardDepth not_allowed",
      "/backends/0/address numeric_address",
      "/backends/0/weight too_small",
      "/backends/1/address missing_port",
      "/backends/1/priority too_big",
      "/backends/1/wait unknown_field",
      "/backends/2 wrong_type",
      "/timeouts/connect bad_duration",
      "/timeouts/idle wrong_type",
      "/timeouts/nope unknown_field",
      "/extra unknown_field",
      "/a~1b unknown_field",
    ]);
  });

  test("names what is required", () => {
    expect(problemsOf({})).toEqual(["/pool required", "/hostnames required", "/backends required"]);
    expect(problemsOf(undefined)).toEqual([" required"]);
    expect(problemsOf([])).toEqual([" wrong_type"]);
  });

  test("suggests the A-label of a name that is not ASCII", () => {
    const { error } = routeSpecInput.safeParse({ ...minimal, hostnames: ["*.bücher.example"] });
    expect(error?.issues[0]?.message).toContain("*.xn--bcher-kva.example");
  });

  test.each([
    ["health", null],
    ["onAllUnhealthy", "reject"],
    ["ttl", "1h"],
  ])("refuses %s, which is not acted on yet, as unsupported", (field, value) => {
    expect(problemsOf({ ...minimal, [field]: value })).toEqual([`/${field} unsupported`]);
  });

  test("accepts every default when it is said, and means the same as without", () => {
    const defaults = {
      match: null,
      balance: "roundRobin",
      proxyProtocol: "none",
      proxyTlvs: [],
      limits: null,
      access: null,
      onAllUnhealthy: "useAll",
      onReject: "keep",
    };
    expect(routeSpecInput.parse({ ...minimal, ...defaults })).toEqual(routeSpecInput.parse(minimal));
    const empty = { match: { alpn: [] }, limits: { mode: "observe", connections: null }, access: { allow: [] } };
    expect(routeSpecInput.parse({ ...minimal, ...empty })).toEqual(routeSpecInput.parse(minimal));
  });

  test("refuses duplicates in whatever spelling", () => {
    expect(problemsOf({ ...minimal, hostnames: ["a.example", "b.example", "A.example."] })).toEqual([
      "/hostnames/2 duplicate",
    ]);
    const backends = [{ address: "[::1]:443" }, { address: "[0:0::1]:443" }];
    expect(problemsOf({ ...minimal, backends })).toEqual(["/backends/1/address duplicate"]);
  });

  test("bounds its lists", () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `h${index}.example.com`);
    expect(problemsOf({ ...minimal, hostnames: many(hostnamesMax) })).toEqual([]);
    expect(problemsOf({ ...minimal, hostnames: many(hostnamesMax + 1) })).toEqual(["/hostnames too_big"]);
    expect(problemsOf({ ...minimal, hostnames: [] })).toEqual(["/hostnames too_small"]);
    const backends = many(backendsMax + 1).map((name) => ({ address: `${name}:443` }));
    expect(problemsOf({ ...minimal, backends })).toEqual(["/backends too_big"]);
    expect(problemsOf({ ...minimal, backends: [] })).toEqual(["/backends too_small"]);
    const cidrs = Array.from({ length: networksMax + 1 }, (_, index) => `10.0.${index >> 7}.${(index * 2) & 255}/32`);
    const alpn = many(protocolsMax + 1);
    expect(problemsOf({ ...minimal, match: { alpn, sourceCidrs: cidrs } })).toEqual([
      "/match/alpn too_big",
      "/match/sourceCidrs too_big",
    ]);
    expect(problemsOf({ ...minimal, access: { allow: cidrs, deny: cidrs } })).toEqual([
      "/access/allow too_big",
      "/access/deny too_big",
    ]);
  });
});

describe("a route's envelope", () => {
  test("defaults to nothing said", () => {
    expect(routeWrite.parse({ spec: minimal })).toMatchObject({ labels: {}, description: "", managedBy: "" });
  });

  test("refuses labels and text that would not survive storage or display", () => {
    const input = {
      labels: { "": "x", ok: "yes", bad: "no spaces", "example.com/tier": "1" },
      description: "a\u0000b",
      managedBy: "two words",
      spec: minimal,
    };
    const { error } = routeWrite.safeParse(input);
    expect(error && toProblems(error, input).map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      "/labels/ bad_label",
      "/labels/bad bad_label",
      "/description bad_format",
      "/managedBy bad_format",
    ]);
  });
});
