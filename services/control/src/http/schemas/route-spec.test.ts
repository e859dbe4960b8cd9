import { describe, expect, test } from "vitest";
import { toProblems } from "../zod-problems.ts";
import { backendsMax } from "./backend.ts";
import { hostnamesMax, printRouteSpec, routeSpecInput } from "./route-spec.ts";
import { routeWrite } from "./route.ts";

const minimal = {
  pool: "public",
  hostnames: ["api.example.com"],
  backends: [{ address: "192.0.2.1:443" }],
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
    });
  });

  test("as printed is accepted again and means the same", () => {
    const spec = routeSpecInput.parse({ ...minimal, timeouts: { connect: "1500ms", maxDuration: null } });
    expect(routeSpecInput.parse(printRouteSpec(spec))).toEqual(spec);
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
    ["match", { alpn: ["h2"] }],
    ["balance", "leastConnections"],
    ["proxyProtocol", "v2"],
    ["proxyTlvs", ["authority"]],
    ["limits", { connections: 10 }],
    ["access", { allow: [] }],
    ["health", null],
    ["onAllUnhealthy", "reject"],
    ["onReject", "drop"],
    ["ttl", "1h"],
  ])("refuses %s, which is not acted on yet, as unsupported", (field, value) => {
    expect(problemsOf({ ...minimal, [field]: value })).toEqual([`/${field} unsupported`]);
  });

  test("accepts the defaults of what is not acted on yet, since that is what happens", () => {
    const defaults = {
      balance: "roundRobin",
      proxyProtocol: "none",
      proxyTlvs: [],
      onAllUnhealthy: "useAll",
      onReject: "keep",
    };
    expect(routeSpecInput.parse({ ...minimal, ...defaults })).toEqual(routeSpecInput.parse(minimal));
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
