import { expect, test } from "vitest";
import { toProblems } from "../zod-problems.ts";
import { poolSpecInput, printPoolSpec } from "./pool-spec.ts";

function problemsOf(input: unknown): string[] {
  const { error } = poolSpecInput.safeParse(input);
  return error === undefined ? [] : toProblems(error, input).map(({ pointer, code }) => `${pointer} ${code}`);
}

test("an empty spec grants public addresses on port 443 and refuses what has no route", () => {
  expect(printPoolSpec(poolSpecInput.parse({}))).toEqual({
    hello: { timeout: "5s", bytesMax: 32_768 },
    noSni: null,
    unmatched: null,
    addresses: { default: { cidrs: ["public"], ports: [443] }, teams: {}, nat64: [] },
  });
});

test("a spec as printed is accepted again and means the same", () => {
  const spec = poolSpecInput.parse({
    hello: { timeout: "2500ms", bytesMax: 16_384 },
    noSni: {
      backends: [{ address: "192.0.2.1:443" }],
      balance: "random",
      proxyProtocol: "v1",
      limits: { newPerSecond: 100 },
      access: { deny: ["192.0.2.0/24"] },
    },
    unmatched: { backends: [{ address: "fallback.example.net:443" }], timeouts: { idle: "1h" } },
    addresses: {
      default: { cidrs: ["10.1.2.3/8", "2001:DB8::1/32", "public"], ports: [443, "8000-8099", "any", "22-22"] },
      teams: { payments: { cidrs: [], ports: ["any"] } },
      nat64: ["2001:db8:64::/96"],
    },
  });
  const printed = printPoolSpec(spec);
  expect(printed.addresses.default).toEqual({
    cidrs: ["10.0.0.0/8", "2001:db8::/32", "public"],
    ports: [443, "8000-8099", "any", 22],
  });
  expect(poolSpecInput.parse(printed)).toEqual(spec);
});

test("every place that is wrong is named", () => {
  expect(
    problemsOf({
      hello: { timeout: "2h", bytesMax: 10 },
      noSni: { backends: [], hostnames: ["a.example"] },
      unmatched: {
        backends: [{ address: "192.0.2.1:443" }],
        match: { alpn: ["h2"] },
        onReject: "keep",
        access: { allow: ["here"] },
      },
      addresses: {
        default: { cidrs: ["10.0.0.0", "private"], ports: [0, "443", "9-1", 1.5, true, "1-65536"] },
        teams: { "Bad Name": { cidrs: [], ports: [443] } },
        nat64: ["10.0.0.0/8", "2001:db8::/33"],
      },
      rollout: { mode: "all" },
      more: 1,
    }),
  ).toEqual([
    "/hello/timeout out_of_range",
    "/hello/bytesMax too_small",
    "/noSni/backends too_small",
    "/noSni/hostnames unknown_field",
    "/unmatched/access/allow/0 bad_cidr",
    "/unmatched/match unknown_field",
    "/unmatched/onReject unknown_field",
    "/addresses/default/cidrs/0 bad_cidr",
    "/addresses/default/cidrs/1 bad_cidr",
    "/addresses/default/ports/0 too_small",
    "/addresses/default/ports/1 bad_ports",
    "/addresses/default/ports/2 bad_ports",
    "/addresses/default/ports/3 wrong_type",
    "/addresses/default/ports/4 wrong_type",
    "/addresses/default/ports/5 bad_ports",
    "/addresses/teams/Bad Name bad_format",
    "/addresses/nat64/0 bad_cidr",
    "/addresses/nat64/1 bad_cidr",
    "/rollout unsupported",
    "/more unknown_field",
  ]);
});

test("a default's TLVs need a PROXY header of version 2", () => {
  const body = { backends: [{ address: "192.0.2.1:443" }], proxyTlvs: ["edge"] };
  expect(problemsOf({ unmatched: body })).toEqual(["/unmatched/proxyTlvs not_allowed"]);
  expect(problemsOf({ unmatched: { ...body, proxyProtocol: "v2" } })).toEqual([]);
});
